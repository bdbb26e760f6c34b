/**
 * Decides how a ReplicaSet gets from the pods that exist to the pods it wants. Pure. Running a plan twice, or
 * half of it, does no harm.
 *
 * Behaviour follows Kubernetes 1.35 (docs: "ReplicaSet", "Pod deletion cost"; KEP-2255 deletion cost, KEP-2185
 * random victim among the old).
 */
import {
  controllerOf,
  isActive,
  isReady,
  isTerminal,
  matches,
  type Pod,
  readySince,
  type ReplicaSet,
} from "@k3ts/model/objects";

/** In terms of the set; `act.ts` turns each into what the SDK does. Claims come first. */
export type ReplicaSetAction =
  | { do: "adopt" | "release"; pod: Pod }
  | { do: "create"; count: number }
  | { do: "delete"; pod: Pod; because: string };

export interface ReplicaSetPlan {
  actions: ReplicaSetAction[];
  /** What the status would say if nothing else changed. */
  status: {
    replicas: number;
    fullyLabeledReplicas: number;
    readyReplicas: number;
    availableReplicas: number;
    /** On their way out, and not gone yet. */
    terminatingReplicas: number;
    observedGeneration?: number;
  };
  /** When a pod becomes available by time alone, in ms since the epoch. */
  reconsiderAt?: number;
}

/** Most pods created or deleted by one plan, so that a mistake in a spec stays small. */
const BURST_MAX = 500;

/**
 * @param pods every pod in its namespace that it controls, or that matches its selector and has no controller
 * @param now ms since the epoch
 */
export function planReplicaSet(set: ReplicaSet, pods: readonly Pod[], now: number): ReplicaSetPlan {
  const { claims, owned } = claim(set, pods);
  const active = owned.filter(isActive);
  const actions: ReplicaSetAction[] = [...claims];
  // A set that is being deleted leaves its pods to the garbage collector.
  if (set.metadata.deletionTimestamp === undefined) {
    const missing = (set.spec?.replicas ?? 1) - active.length;
    if (missing > 0) actions.push({ do: "create", count: Math.min(missing, BURST_MAX) });
    if (missing < 0) actions.push(...surplus(active, Math.min(-missing, BURST_MAX), now));
  }
  return { actions, ...outlook(set, active, owned.filter(isLeaving).length, now) };
}

function outlook(
  set: ReplicaSet,
  active: readonly Pod[],
  leaving: number,
  now: number,
): Pick<ReplicaSetPlan, "status" | "reconsiderAt"> {
  const minReadyMs = (set.spec?.minReadySeconds ?? 0) * 1000;
  const ready = active.filter(isReady);
  const pending = ready.map((pod) => readySince(pod) + minReadyMs).filter((at) => at > now);
  const templateLabels = set.spec?.template?.metadata?.labels;
  return {
    status: {
      replicas: active.length,
      fullyLabeledReplicas:
        active.filter((pod) => matches({ matchLabels: templateLabels }, pod.metadata.labels)).length,
      readyReplicas: ready.length,
      availableReplicas: ready.length - pending.length,
      terminatingReplicas: leaving,
      observedGeneration: set.metadata.generation,
    },
    ...(pending.length > 0 && { reconsiderAt: Math.min(...pending) }),
  };
}

function isLeaving(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp !== undefined && !isTerminal(pod);
}

/** Splits pods into those that are ours after this plan and what must be written to make it so. */
function claim(set: ReplicaSet, pods: readonly Pod[]): { claims: ReplicaSetAction[]; owned: Pod[] } {
  const claims: ReplicaSetAction[] = [];
  const owned: Pod[] = [];
  const isGoing = set.metadata.deletionTimestamp !== undefined;
  for (const pod of pods) {
    const controller = controllerOf(pod);
    if (controller !== undefined && controller.uid !== set.metadata.uid) continue;
    const selected = matches(set.spec?.selector, pod.metadata.labels);
    if (controller !== undefined && selected) owned.push(pod);
    if (controller !== undefined && !selected) claims.push({ do: "release", pod });
    // Adopting for, or from, what is on its way out would only delay its end.
    if (controller === undefined && selected && isActive(pod) && !isGoing) {
      claims.push({ do: "adopt", pod });
      owned.push(pod);
    }
  }
  return { claims, owned };
}

/** The pods whose end costs the least, with the reason why each was chosen before the others. */
function surplus(active: readonly Pod[], count: number, now: number): ReplicaSetAction[] {
  const crowd = Map.groupBy(active, (pod) => pod.spec?.nodeName ?? "");
  const ranked = active
    .map((pod) => ({ pod, rank: deletionRank(pod, crowd.get(pod.spec?.nodeName ?? "")!.length, now) }))
    .sort((a, b) => compareRanks(a.rank, b.rank) || compareText(a.pod.metadata.uid, b.pod.metadata.uid));
  return ranked.slice(0, count).map(({ pod, rank }) => ({ do: "delete", pod, because: explain(rank) }));
}

/** Lower goes first; earlier entries decide before later ones. */
const RANKS = ["assigned", "started", "ready", "cost", "alone", "service", "restarts", "age"] as const;
const PHASES = ["Pending", "Unknown", "Running"];
type Rank = Record<(typeof RANKS)[number], number>;

function deletionRank(pod: Pod, podsOnItsNode: number, now: number): Rank {
  const ready = isReady(pod);
  const restarts = Math.max(
    0,
    ...(pod.status?.containerStatuses ?? []).map((container) => container.restartCount ?? 0),
  );
  return {
    assigned: pod.spec?.nodeName ? 1 : 0,
    started: PHASES.indexOf(pod.status?.phase ?? "Pending"),
    ready: ready ? 1 : 0,
    cost: Number(pod.metadata.annotations?.["controller.kubernetes.io/pod-deletion-cost"] ?? 0) || 0,
    alone: -podsOnItsNode,
    service: ready ? magnitude(now - readySince(pod)) : 0,
    restarts: -restarts,
    age: magnitude(now - Date.parse(pod.metadata.creationTimestamp ?? "")),
  };
}

/** Logarithmic, so that pods of about the same age are equal and the others decide. Of nanoseconds, as in Kubernetes. */
function magnitude(ms: number): number {
  return ms > 0 ? Math.floor(Math.log2(ms * 1e6)) : -1;
}

function compareRanks(a: Rank, b: Rank): number {
  for (const key of RANKS) if (a[key] !== b[key]) return a[key] - b[key];
  return 0;
}

function explain(rank: Rank): string {
  if (rank.assigned === 0) return "it has no node yet";
  if (rank.started === 0) return "it has not started";
  if (rank.ready === 0) return "it is not ready";
  return "it was the cheapest to lose";
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
