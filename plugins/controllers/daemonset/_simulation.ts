/** A DaemonSet with its nodes and pods, moved one step at a time in any order, as a cluster would. */
import type { ControllerRevision, DaemonSet, Node, Pod } from "@k3ts/model/objects";
import { aDaemonSet, aNode, aPod, type DaemonSetOptions } from "@k3ts/model/testing";
import { type DaemonSetAction, type DaemonSetPlan, planDaemonSet } from "./plan.ts";
import { HASH, nodeOf, templateFor } from "./pods.ts";

const START = Date.parse("2026-01-01T00:00:00Z");

export class Simulation {
  now = START;
  daemonSet: DaemonSet;
  nodes: Node[];
  pods: Pod[] = [];
  revisions: ControllerRevision[] = [];
  /** By node: until when a failed pod there stays. */
  waits = new Map<string, number>();
  #made = 0;

  constructor(nodes: readonly string[] | number, options: DaemonSetOptions = {}) {
    const names = typeof nodes === "number" ? Array.from({ length: nodes }, (_, index) => `n${index}`) : nodes;
    this.nodes = names.map((name) => aNode({ name }));
    this.daemonSet = aDaemonSet(options);
  }

  setImage(image: string): void {
    const daemonSet = structuredClone(this.daemonSet);
    daemonSet.spec.template.spec!.containers[0]!.image = image;
    daemonSet.metadata.generation = (daemonSet.metadata.generation ?? 0) + 1;
    this.daemonSet = daemonSet;
  }

  /** One round of the controller. @returns what it wanted */
  plan(): DaemonSetPlan {
    const plan = planDaemonSet(this.daemonSet, {
      nodes: this.nodes,
      pods: this.pods,
      revisions: this.revisions,
      isTaken: (name) => this.revisions.some(({ metadata }) => metadata.name === name),
      waitsUntil: (node) => this.waits.get(node) ?? -Infinity,
    }, this.now);
    for (const action of plan.actions) this.#carryOut(action);
    this.daemonSet = { ...this.daemonSet, status: structuredClone(plan.status) };
    return plan;
  }

  /** Every pod that leaves is gone, every other one is ready where it may be, over and over until nothing moves. */
  settle(mayStart: (pod: Pod) => boolean = () => true): void {
    for (let round = 0; round < 300; round++) {
      const before = this.#fingerprint();
      this.plan();
      for (const pod of [...this.pods]) this.movePod(pod, mayStart);
      if (this.#fingerprint() === before) return;
    }
    throw new Error(`The rollout does not come to rest: ${this.#fingerprint()}`);
  }

  movePod(pod: Pod | undefined, mayStart: (pod: Pod) => boolean = () => true): void {
    if (pod === undefined) return;
    if (pod.metadata.deletionTimestamp !== undefined) this.pods = this.pods.filter((other) => other !== pod);
    else if (pod.status?.phase === "Pending" && mayStart(pod)) this.setReady(pod);
  }

  setReady(pod: Pod, ready = true): void {
    const status = { phase: "Running" as const, conditions: [readiness(ready, this.now)] };
    this.#replace(pod, { ...pod, spec: { ...pod.spec, nodeName: nodeOf(pod) }, status });
  }

  end(pod: Pod, phase: "Failed" | "Succeeded"): void {
    this.#replace(pod, { ...pod, status: { phase } });
  }

  get serving(): Pod[] {
    return this.pods.filter(({ metadata, status }) =>
      metadata.deletionTimestamp === undefined && status?.conditions?.[0]?.status === "True"
    );
  }

  imagesOn(node: string): string[] {
    return this.pods.filter((pod) => nodeOf(pod) === node).map(({ spec }) => spec.containers[0]!.image!);
  }

  #carryOut(action: DaemonSetAction): void {
    switch (action.do) {
      case "record": {
        const { name, hash, data, revision } = action;
        const { uid } = this.daemonSet.metadata;
        const owner = { apiVersion: "apps/v1", kind: "DaemonSet", name: "demo", uid, controller: true };
        const labels = { app: "demo", [HASH]: hash };
        const creationTimestamp = new Date(START).toISOString();
        const revisionUid = `uid-of-${name}`;
        const metadata = {
          name,
          namespace: "default",
          uid: revisionUid,
          resourceVersion: "1",
          creationTimestamp,
          labels,
        };
        this.revisions.push({ metadata: { ...metadata, ownerReferences: [owner] }, data, revision });
        return;
      }
      case "renumber":
        this.revisions = this.revisions.map((each) =>
          each === action.revision ? { ...each, revision: action.to } : each
        );
        return;
      case "forget":
        this.revisions = this.revisions.filter((each) => each !== action.revision);
        return;
      case "create":
        this.pods = [...this.pods, this.#make(action.node, action.hash)];
        return;
      case "delete": {
        const { pod } = action;
        const leaving = { ...pod, metadata: { ...pod.metadata, deletionTimestamp: new Date(this.now).toISOString() } };
        return this.#replace(pod, leaving);
      }
      case "tell":
        return;
      default:
        throw new Error(`The simulation has no orphans: ${action.do}`);
    }
  }

  #make(node: string, hash: string): Pod {
    const { metadata, spec } = templateFor(this.daemonSet, node, hash);
    return aPod({
      name: `pod-${this.#made}`,
      created: new Date(START + this.#made++ * 1000).toISOString(),
      labels: metadata!.labels!,
      owner: { apiVersion: "apps/v1", kind: "DaemonSet", metadata: this.daemonSet.metadata },
      spec: spec!,
    });
  }

  #replace(old: Pod, next: Pod): void {
    this.pods = this.pods.map((pod) => pod.metadata.uid === old.metadata.uid ? next : pod);
  }

  #fingerprint(): string {
    return JSON.stringify([this.daemonSet, this.pods, this.revisions]);
  }
}

function readiness(ready: boolean, now: number) {
  const lastTransitionTime = new Date(now).toISOString();
  return { type: "Ready", status: ready ? "True" as const : "False" as const, lastTransitionTime };
}
