/**
 * Watches over nodes: tells which of them are not known to be well, taints them, and puts their pods out in time.
 *
 * Not a `controller`, as how many nodes are gone decides on what is done with each.
 */
import { isConflict, isNotFound } from "@k3ts/client";
import {
  formatTime,
  isReady,
  type Lease,
  momentOf,
  type MonotonicTime,
  type Node,
  type Pod,
  resources,
} from "@k3ts/model/objects";
import { type Daemon, type DaemonContext, type EventRecorder, eventRecorder } from "../../sdk/mod.ts";
import { inBatches } from "../in_batches.ts";
import { pause } from "../pause.ts";
import { endPod } from "./end_pod.ts";
import { planEvictions } from "./evict.ts";
import { type NodeLimits, nodeLimits } from "./limits.ts";
import { type Memory, type NodeChange, NOTHING, planPass } from "./plan.ts";

const LEASE_NAMESPACE = "kube-node-lease";
const COMPONENT = "node-controller";
/** More looks than these are not missed by a busy machine alone. */
const PASSES_MISSED_MAX = 2;
/** Changes that come together are one look. */
const GATHER_MS = 50;

export default function nodeLifecycle(limits: NodeLimits = nodeLimits()): Daemon {
  return {
    name: "node-lifecycle",
    user: "system:serviceaccount:kube-system:node-controller",
    component: COMPONENT,
    run: (context, signal) => new NodeLifecycle(context, limits, signal).run(),
  };
}

class NodeLifecycle {
  readonly #nodes;
  readonly #leases;
  readonly #pods;
  readonly #podsByNode;
  readonly #recorder: EventRecorder;
  #memory: Memory = NOTHING;
  /** Since when pods are bound to leave, by uid. */
  #leaving: ReadonlyMap<string, MonotonicTime> = new Map();
  #known = new Map<string, Node>();
  #silent = new Set<string>();
  #wake: () => void = () => {};
  /** When the server last answered, and with it nodes could be heard. */
  #heardAt: MonotonicTime | undefined;

  constructor(readonly context: DaemonContext, readonly limits: NodeLimits, readonly signal: AbortSignal) {
    const { informers, clients, clock, onFailure } = context;
    this.#nodes = informers.of(resources.nodes);
    this.#leases = informers.of(resources.leases).informer;
    this.#pods = informers.of(resources.pods).informer;
    this.#podsByNode = this.#pods.index((pod) => [(pod as Pod).spec?.nodeName ?? ""]);
    this.#recorder = eventRecorder({
      clients,
      component: COMPONENT,
      clock,
      onError: (error) => onFailure("event", error),
      signal,
    });
  }

  async run(): Promise<void> {
    const { signal, context: { onSynced, onFailure, clock } } = this;
    try {
      await Promise.all([this.#nodes.informer, this.#leases, this.#pods].map(({ synced }) => synced));
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    const unsubscribe = [
      this.#nodes.informer.onChange((_type, node, old) => {
        if (old === undefined || concerns(node as Node) !== concerns(old as Node)) this.#wake();
      }),
      this.#pods.onChange((_type, pod) => {
        const { nodeName = "" } = (pod as Pod).spec ?? {};
        if (this.#silent.has(nodeName) || this.#isTainted(nodeName)) this.#wake();
      }),
    ];
    onSynced();
    while (!signal.aborted) {
      const woken = Promise.withResolvers<void>();
      this.#wake = woken.resolve;
      let nextAt = clock.monotonic() + this.limits.monitorEveryMs;
      try {
        nextAt = Math.min(nextAt, await this.#pass());
      } catch (error) {
        if (signal.aborted) break;
        onFailure("nodes", error as Error);
      }
      await pause(clock, nextAt - clock.monotonic(), woken.promise, signal);
      await pause(clock, GATHER_MS, undefined, signal);
    }
    for (const stop of unsubscribe) stop();
  }

  /** @returns when time alone makes another one necessary */
  async #pass(): Promise<MonotonicTime> {
    const deafMs = await this.#listen();
    const nodes = this.#nodes.informer.list() as Node[];
    this.#greet(nodes);
    const leases = new Map(
      (this.#leases.list(LEASE_NAMESPACE) as Lease[]).map((lease) => [lease.metadata.name, lease]),
    );
    const now = momentOf(this.context.clock);
    const { memory, changes, silent } = planPass(this.#memory, nodes, leases, this.limits, now, deafMs);
    this.#memory = memory;
    this.#silent = new Set(silent);
    await inBatches(changes, (change) => this.#write(change));
    await inBatches(silent.flatMap((name) => this.#podsOn(name).filter(isReady)), (pod) => this.#markUnready(pod));
    return await this.#evict();
  }

  /** @returns for how long nobody could have been heard, as the server did not answer or this process stood still */
  async #listen(): Promise<number> {
    const { clients, clock } = this.context;
    const { signal, limits } = this;
    const since = this.#heardAt ?? clock.monotonic();
    await clients.of<Node>(resources.nodes).list({ limit: 1, signal });
    this.#heardAt = clock.monotonic();
    const silence = this.#heardAt - since;
    return silence > limits.monitorEveryMs * PASSES_MISSED_MAX ? silence : 0;
  }

  async #evict(): Promise<MonotonicTime> {
    const { clients, clock } = this.context;
    const now = momentOf(clock);
    const nodes = this.#nodes.informer.list() as Node[];
    const plan = planEvictions(nodes, (name) => this.#podsOn(name), this.#leaving, now);
    this.#tellCancelled(plan.since);
    this.#leaving = plan.since;
    const pods = clients.of<Pod>(resources.pods);
    await inBatches(plan.evict, async (pod) => {
      const about = `${pod.metadata.namespace}/${pod.metadata.name}`;
      this.#tell(pod, resources.pods, "Normal", "TaintManagerEviction", `Marking for deletion Pod ${about}`);
      const because = {
        reason: "DeletionByTaintManager",
        message: "Taint manager: deleting due to NoExecute taint",
      };
      await endPod(pods, pod, { because }, now.wall, this.signal);
    });
    return plan.nextAt ?? Infinity;
  }

  #tellCancelled(since: ReadonlyMap<string, MonotonicTime>): void {
    const cancelled = new Set([...this.#leaving.keys()].filter((uid) => !since.has(uid)));
    if (cancelled.size === 0) return;
    for (const pod of this.#pods.list() as Pod[]) {
      if (!cancelled.has(pod.metadata.uid) || pod.metadata.deletionTimestamp !== undefined) continue;
      const about = `${pod.metadata.namespace}/${pod.metadata.name}`;
      this.#tell(pod, resources.pods, "Normal", "TaintManagerEviction", `Cancelling deletion of Pod ${about}`);
    }
  }

  async #write({ node, conditions, taints }: NodeChange): Promise<void> {
    const { clients } = this.context;
    const { name } = node.metadata;
    let latest = node;
    const nodes = clients.of<Node>(resources.nodes);
    try {
      if (conditions !== undefined) {
        latest = await nodes.updateStatus({ ...node, status: { ...node.status, conditions } }, { signal: this.signal });
        const wasReady = node.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True");
        const message = `Node ${name} status is now: NodeNotReady`;
        if (wasReady) this.#tell(node, resources.nodes, "Normal", "NodeNotReady", message);
      }
      if (taints !== undefined) {
        const { resourceVersion } = latest.metadata;
        const patch = { metadata: { resourceVersion }, spec: { taints: taints.length > 0 ? taints : null } };
        latest = await nodes.patch(name, { type: "merge", patch, signal: this.signal });
      }
      // What it does not see it would do once more.
      await this.#nodes.seen(Number(latest.metadata.resourceVersion), this.signal);
    } catch (error) {
      // Somebody else was faster: the next look is at what they wrote.
      if (!isConflict(error) && !isNotFound(error)) throw error;
    }
  }

  /** Whether it is well nobody knows: Services are to leave it out. */
  async #markUnready(pod: Pod): Promise<void> {
    const { clients, clock } = this.context;
    const conditions = (pod.status?.conditions ?? []).map((one) =>
      one.type === "Ready" ? { ...one, status: "False" as const, lastTransitionTime: formatTime(clock.wall()) } : one
    );
    try {
      await clients.of<Pod>(resources.pods)
        .updateStatus({ ...pod, status: { ...pod.status, conditions } }, { signal: this.signal });
      this.#tell(pod, resources.pods, "Warning", "NodeNotReady", "Node is not ready");
    } catch (error) {
      if (!isConflict(error) && !isNotFound(error)) throw error;
    }
  }

  #greet(nodes: readonly Node[]): void {
    const present = new Map(nodes.map((node) => [node.metadata.name, node]));
    for (const [name, node] of present) {
      if (this.#known.has(name)) continue;
      this.#tell(node, resources.nodes, "Normal", "RegisteredNode", `Registered Node ${name} in Controller`);
    }
    for (const [name, node] of this.#known) {
      if (present.has(name)) continue;
      this.#tell(node, resources.nodes, "Normal", "RemovingNode", `Removing Node ${name} from Controller`);
    }
    this.#known = present;
  }

  #podsOn(node: string): readonly Pod[] {
    return this.#podsByNode.get(node) as Pod[];
  }

  #isTainted(node: string): boolean {
    const found = this.#nodes.informer.get("", node) as Node | undefined;
    return found?.spec?.taints?.some(({ effect }) => effect === "NoExecute") ?? false;
  }

  #tell(
    about: Node | Pod,
    resource: typeof resources.nodes | typeof resources.pods,
    type: "Normal" | "Warning",
    reason: string,
    message: string,
  ): void {
    this.#recorder.record({ about, resource, type, reason, message });
  }
}

/** What of a node decides on what is done with it; not its signs of life, for which there is time. */
function concerns({ metadata, spec, status }: Node): string {
  const conditions = (status?.conditions ?? []).map(({ type, status }) => `${type}=${status}`).sort();
  return JSON.stringify([metadata.uid, spec?.taints, spec?.unschedulable, conditions]);
}
