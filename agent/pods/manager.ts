/** One worker for each pod of this node, for as long as there is anything of it here. */
import type { Log } from "@k3ts/client/telemetry";
import { equalJson, type Pod, type WallTime } from "@k3ts/model/objects";
import { namesIn } from "../files.ts";
import { podPathsOf } from "../paths.ts";
import { keyOf, type Reference, referencesOf } from "../sync/references.ts";
import type { NodeParts } from "./machine_parts.ts";
import { PodMachine } from "./pod_machine.ts";
import type { DesiredPod } from "./plan.ts";
import { podName } from "./text.ts";
import { PodWorker } from "./worker.ts";

interface Followed {
  worker: PodWorker;
  machine: PodMachine;
}

/** `pod.json` in a pod's directory: what is needed to end it. */
interface PodRecord {
  version: 1;
  seenAt: WallTime;
  pod: Pod;
}

export class PodManager {
  readonly #parts: Omit<NodeParts, "poke">;
  readonly #log: Log;
  readonly #followed = new Map<string, Followed>();

  constructor(parts: Omit<NodeParts, "poke">) {
    this.#parts = parts;
    this.#log = parts.log;
  }

  /** Follows a pod, or takes over a change of it. */
  want(pod: Pod): void {
    const { uid } = pod.metadata;
    const followed = this.#followed.get(uid);
    if (followed !== undefined) {
      const before = followed.worker.desired.pod.metadata;
      // A volume may show what the pod is called.
      const same = equalJson(before.labels, pod.metadata.labels) &&
        equalJson(before.annotations, pod.metadata.annotations);
      if (!same) followed.machine.markVolumesStale();
      followed.worker.desired = { ...followed.worker.desired, pod };
      return;
    }
    const record = this.#record(uid);
    this.#follow({
      pod,
      gone: false,
      seenAt: record?.seenAt ?? this.#parts.clock.wall(),
      hostAddress: this.#parts.node.address,
    });
  }

  /** The server no longer has the pod: what is left of it here goes. */
  gone(uid: string): void {
    const followed = this.#followed.get(uid);
    this.#parts.outbox.drop(uid);
    if (followed !== undefined) followed.worker.desired = { ...followed.worker.desired, gone: true };
  }

  /**
   * Ends what is on this node's disk of pods that are not wanted. Only to be called when it is known for certain
   * which are: never after a question that failed.
   */
  async endOthers(wanted: ReadonlySet<string>): Promise<void> {
    const { table, paths } = this.#parts;
    const found = new Set([...table.podUids(), ...await namesIn(paths.pods), ...await namesIn(paths.sandboxes)]);
    for (const uid of found) {
      if (wanted.has(uid) || this.#followed.has(uid)) continue;
      const record = this.#record(uid);
      const pod = record?.pod ?? withoutSpec(uid);
      this.#log.info("Ending a pod as the server no longer has it", { pod: podName(pod) });
      this.#follow({ pod, gone: true, seenAt: record?.seenAt ?? 0, hostAddress: this.#parts.node.address });
    }
  }

  /** A container of that pod, or what it depends on, has changed. */
  poke(uid: string): void {
    this.#followed.get(uid)?.worker.poke();
  }

  /** The node needs what that pod holds. */
  evict(uid: string, why: { reason: string; message: string }): void {
    this.#followed.get(uid)?.machine.evict(why);
  }

  /** Other nodes reach this one by another address. */
  addressChanged(): void {
    const hostAddress = this.#parts.node.address;
    for (const { worker } of this.#followed.values()) worker.desired = { ...worker.desired, hostAddress };
  }

  pokeAll(): void {
    for (const { worker } of this.#followed.values()) worker.poke();
  }

  /** A ConfigMap or Secret has changed: the pods that use it look again, at once. */
  referenceChanged(reference: Reference): void {
    const key = keyOf(reference);
    for (const { worker, machine } of this.#followed.values()) {
      if (!referencesOf(worker.desired.pod).some((one) => keyOf(one) === key)) continue;
      machine.markVolumesStale();
      worker.forgive();
    }
  }

  /** The pod whose round has taken the longest of those that are under way. */
  busiest(): { pod: Pod; ms: number } | undefined {
    const [first] = [...this.#followed.values()].map(({ worker }) => ({ pod: worker.desired.pod, ms: worker.busyMs }))
      .sort((a, b) => b.ms - a.ms);
    return first;
  }

  /** All pods that are followed and not gone. */
  pods(): Pod[] {
    return [...this.#followed.values()].filter(({ worker }) => !worker.desired.gone).map(({ worker }) =>
      worker.desired.pod
    );
  }

  /** Of the pods that have one of their own. */
  networks(): { uid: string; networkNamespace: string }[] {
    return [...this.#followed].flatMap(([uid, { machine }]) => {
      const { networkNamespace } = machine;
      return networkNamespace === undefined ? [] : [{ uid, networkNamespace }];
    });
  }

  find(namespace: string, name: string): Pod | undefined {
    return this.pods().find((pod) => pod.metadata.name === name && (pod.metadata.namespace ?? "default") === namespace);
  }

  /** Resolves when every worker has ended. */
  async settled(): Promise<void> {
    await Promise.all([...this.#followed.values()].map(({ worker }) => worker.done));
  }

  #follow(desired: DesiredPod): void {
    const { uid } = desired.pod.metadata;
    const parts: NodeParts = { ...this.#parts, poke: (pod) => this.poke(pod) };
    const machine = new PodMachine(parts, uid);
    const worker = new PodWorker(desired, machine, parts.clock, this.#log, parts.signal);
    this.#followed.set(uid, { worker, machine });
    worker.done
      .catch((error) => this.#log.error("Cannot follow a pod any longer", error, { pod: podName(desired.pod) }))
      .finally(() => this.#followed.delete(uid));
  }

  /** Read without waiting, once a pod, so that no change of the pod falls in between. */
  #record(uid: string): PodRecord | undefined {
    try {
      const record = JSON.parse(Deno.readTextFileSync(podPathsOf(this.#parts.paths, uid).record)) as PodRecord;
      return record.version === 1 ? record : undefined;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        this.#log.error("Cannot read what is known of a pod", error, { uid });
      }
      return undefined;
    }
  }
}

/** For what was left without a record: enough to end it. */
function withoutSpec(uid: string): Pod {
  return {
    metadata: { name: uid, namespace: "unknown", uid, resourceVersion: "", creationTimestamp: "" },
    spec: { containers: [] },
  };
}
