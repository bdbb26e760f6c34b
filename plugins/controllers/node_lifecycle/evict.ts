/**
 * Which pods have to leave a tainted node, and when (Kubernetes documentation: "Taints and Tolerations", taint-based
 * evictions). Pure. Follows k8s.io/kubernetes `pkg/controller/tainteviction` (1.35).
 */
import {
  type Moment,
  monotonicOf,
  type MonotonicTime,
  type Node,
  type Pod,
  type Taint,
  type Toleration,
} from "@k3ts/model/objects";
import { toleratesTaint } from "../../scheduler/node_affinity.ts";

export interface EvictionPlan {
  evict: Pod[];
  /** Since when a pod is bound to leave, by its uid. */
  since: Map<string, MonotonicTime>;
  /** When the next one has to leave. */
  nextAt?: MonotonicTime;
}

/** @param before as the last plan had it */
export function planEvictions(
  nodes: readonly Node[],
  podsOn: (node: string) => readonly Pod[],
  before: ReadonlyMap<string, MonotonicTime>,
  now: Moment,
): EvictionPlan {
  const plan: EvictionPlan = { evict: [], since: new Map() };
  for (const node of nodes) {
    const taints = (node.spec?.taints ?? []).filter(({ effect }) => effect === "NoExecute");
    if (taints.length === 0) continue;
    for (const pod of podsOn(node.metadata.name)) {
      if (pod.metadata.deletionTimestamp !== undefined) continue;
      const patience = patienceMs(taints, pod.spec?.tolerations ?? []);
      if (patience === Infinity) continue;
      const { uid } = pod.metadata;
      const since = before.get(uid) ?? sinceWhen(taints, pod, now);
      plan.since.set(uid, since);
      const at = since + patience;
      if (at <= now.monotonic) plan.evict.push(pod);
      else plan.nextAt = Math.min(plan.nextAt ?? Infinity, at);
    }
  }
  return plan;
}

/** How long a pod bears the taints: the shortest of its tolerations; 0 where one of them is not tolerated. */
function patienceMs(taints: readonly Taint[], tolerations: readonly Toleration[]): number {
  let shortest = Infinity;
  for (const taint of taints) {
    // The first that is for a taint counts.
    const used = tolerations.find((toleration) => toleratesTaint(toleration, taint));
    if (used === undefined) return 0;
    const { tolerationSeconds = Infinity } = used;
    shortest = Math.min(shortest, Math.max(0, tolerationSeconds) * 1000);
  }
  return shortest;
}

/** A taint that tells when it was added counts from then, also after this process has begun anew; but not before the pod was there. */
function sinceWhen(taints: readonly Taint[], { metadata }: Pod, now: Moment): MonotonicTime {
  const times = taints.map(({ timeAdded }) => Date.parse(timeAdded ?? ""));
  const added = times.some(Number.isNaN) ? now.wall : Math.max(...times);
  const created = Date.parse(metadata.creationTimestamp ?? "");
  return monotonicOf(Number.isNaN(created) ? added : Math.max(added, created), now);
}
