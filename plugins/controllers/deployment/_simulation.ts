/** A Deployment with its ReplicaSets and pods, moved one step at a time in any order, as a cluster would. */
import type { Deployment, ReplicaSet } from "@k3ts/model/objects";
import { aDeployment } from "@k3ts/model/testing";
import { limits } from "./limits.ts";
import { REVISION } from "./annotations.ts";
import { type DeploymentAction, type DeploymentPlan, planDeployment } from "./plan.ts";
import { HASH_LABEL } from "../template_hash.ts";

interface SimulatedPod {
  ready: boolean;
  /** Told to go, and not gone yet. */
  leaving: boolean;
}

export class Simulation {
  now = Date.parse("2026-01-01T00:00:00Z");
  deployment: Deployment;
  sets: ReplicaSet[] = [];
  /** By name of their set. */
  pods = new Map<string, SimulatedPod[]>();
  #made = 0;

  constructor(options: { replicas: number; image?: string; spec?: Partial<Deployment["spec"]> }) {
    this.deployment = aDeployment(options);
  }

  /** A change by somebody from outside. */
  edit(change: (spec: NonNullable<Deployment["spec"]>) => void): void {
    const deployment = structuredClone(this.deployment);
    change(deployment.spec!);
    deployment.metadata.generation = (deployment.metadata.generation ?? 0) + 1;
    this.deployment = deployment;
  }

  setImage(image: string): void {
    this.edit((spec) => spec.template.spec!.containers[0]!.image = image);
  }

  image(set: ReplicaSet): string | undefined {
    return set.spec?.template?.spec?.containers[0]?.image;
  }

  /** One round of the controller. @returns what it wanted */
  plan(): DeploymentPlan {
    const podsOf = (set: ReplicaSet) => this.podsOf(set).length;
    const isTaken = (name: string) => this.sets.some(({ metadata }) => metadata.name === name);
    const plan = planDeployment(this.deployment, this.sets, podsOf, isTaken, this.now);
    for (const action of plan.actions) this.#carryOut(action);
    const { revision } = plan;
    if (revision !== undefined) {
      const { metadata } = this.deployment;
      const annotations = { ...metadata.annotations, [REVISION]: revision };
      this.deployment = { ...this.deployment, metadata: { ...metadata, annotations } };
    }
    this.deployment = { ...this.deployment, status: structuredClone(plan.status) };
    return plan;
  }

  /** One round of the ReplicaSet controller for one set: makes or dismisses pods, and counts. */
  tend(index: number): void {
    const set = this.sets[index % Math.max(1, this.sets.length)];
    if (set === undefined) return;
    const staying = () => this.podsOf(set).filter(({ leaving }) => !leaving);
    const wanted = set.spec?.replicas ?? 1;
    for (let missing = wanted - staying().length; missing > 0; missing--) {
      this.podsOf(set).push({ ready: false, leaving: false });
    }
    const surplus = staying().sort((a, b) => Number(a.ready) - Number(b.ready)).slice(0, staying().length - wanted);
    for (const pod of staying().length > wanted ? surplus : []) pod.leaving = true;
    const ready = staying().filter((pod) => pod.ready).length;
    const status = { replicas: staying().length, readyReplicas: ready, availableReplicas: ready };
    this.sets = this.sets.map((other) => other === set ? { ...set, status } : other);
  }

  /** One pod becomes ready, or is gone, if it may. */
  movePod(index: number, mayStart: (image: string) => boolean = () => true): void {
    const movable = this.sets.flatMap((set) =>
      this.podsOf(set).filter((pod) => pod.leaving || (!pod.ready && mayStart(this.image(set) ?? ""))).map((pod) => ({
        set,
        pod,
      }))
    );
    const chosen = movable[index % Math.max(1, movable.length)];
    if (chosen === undefined) return;
    const { set, pod } = chosen;
    if (pod.leaving) this.pods.set(set.metadata.uid, this.podsOf(set).filter((other) => other !== pod));
    else pod.ready = true;
  }

  /** Everything happens, over and over, until nothing does. */
  settle(mayStart?: (image: string) => boolean): void {
    for (let round = 0; round < 500; round++) {
      const before = this.#fingerprint();
      this.plan();
      this.sets.forEach((_set, index) => this.tend(index));
      const movable = this.everyPod().length;
      for (let i = 0; i < movable; i++) this.movePod(0, mayStart);
      this.sets.forEach((_set, index) => this.tend(index));
      if (this.#fingerprint() === before) return;
    }
    throw new Error(`The rollout does not come to rest: ${this.#fingerprint()}`);
  }

  podsOf(set: ReplicaSet): SimulatedPod[] {
    const pods = this.pods.get(set.metadata.uid) ?? [];
    this.pods.set(set.metadata.uid, pods);
    return pods;
  }

  everyPod(): SimulatedPod[] {
    return this.sets.flatMap((set) => this.podsOf(set));
  }

  /** Pods that serve. */
  get available(): number {
    return this.everyPod().filter(({ ready, leaving }) => ready && !leaving).length;
  }

  /** Pods that are not on their way out. */
  get total(): number {
    return this.everyPod().filter(({ leaving }) => !leaving).length;
  }

  get bounds(): { least: number; most: number } {
    const { surge, unavailable } = limits(this.deployment);
    const wanted = this.deployment.spec?.replicas ?? 1;
    return { least: wanted - unavailable, most: wanted + surge };
  }

  condition(type: string) {
    return this.deployment.status?.conditions?.find((condition) => condition.type === type);
  }

  #carryOut(action: DeploymentAction): void {
    const replace = (set: ReplicaSet, next: ReplicaSet) =>
      this.sets = this.sets.map((other) => other.metadata.uid === set.metadata.uid ? next : other);
    switch (action.do) {
      case "createSet":
        this.sets = [...this.sets, this.#make(action)];
        return;
      case "deleteSet":
        this.sets = this.sets.filter((set) => set !== action.set);
        return;
      case "scale":
      case "refresh": {
        const { set } = action;
        const metadata = { ...set.metadata, annotations: { ...set.metadata.annotations, ...action.annotations } };
        const spec = { ...set.spec!, ...(action.do === "scale" && { replicas: action.replicas }) };
        replace(set, { ...set, metadata, spec });
        return;
      }
      default:
        throw new Error(`The simulation has no orphans: ${action.do}`);
    }
  }

  #make({ name, hash, replicas, annotations }: Extract<DeploymentAction, { do: "createSet" }>): ReplicaSet {
    const { template, selector } = structuredClone(this.deployment.spec!);
    const labels = { ...template.metadata?.labels, [HASH_LABEL]: hash };
    const { name: owner, uid } = this.deployment.metadata;
    return {
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      metadata: {
        name,
        namespace: "default",
        uid: `set-${++this.#made}`,
        resourceVersion: "1",
        creationTimestamp: new Date(Date.parse("2026-01-01T00:00:00Z") + this.#made * 1000).toISOString(),
        labels,
        annotations,
        ownerReferences: [{ apiVersion: "apps/v1", kind: "Deployment", name: owner, uid, controller: true }],
      },
      spec: {
        replicas,
        selector: { matchLabels: { ...selector.matchLabels, [HASH_LABEL]: hash } },
        template: { ...template, metadata: { ...template.metadata, labels } },
      },
      status: { replicas: 0 },
    };
  }

  #fingerprint(): string {
    return JSON.stringify([this.deployment, this.sets, [...this.pods.values()]]);
  }
}
