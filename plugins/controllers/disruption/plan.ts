/**
 * Decides how many pods of a budget may be evicted now. Pure.
 *
 * Behaviour follows Kubernetes 1.35 (docs: "Specifying a Disruption Budget for your Application"; KEP-85).
 */
import {
  type DisruptionStatus,
  isReady,
  parseTime,
  type Pod,
  type PodDisruptionBudget,
  refuseDisruptions,
  scaleIntOrPercent,
  tellDisruptions,
} from "@k3ts/model/objects";
import { expectedPods, NotCountable, type Owners } from "./expected.ts";

export interface BudgetPlan {
  status: DisruptionStatus;
  /** What people should know. */
  told: { type: "Normal" | "Warning"; reason: string; message: string; about?: Pod }[];
  reconsiderAt?: number;
}

/** How long a pod whose eviction was let through may take to be seen leaving. */
const LEAVING_MS_MAX = 120_000;

/** @param pods those that the budget selects */
export function planBudget(budget: PodDisruptionBudget, pods: readonly Pod[], owners: Owners, now: number): BudgetPlan {
  const told: BudgetPlan["told"] = [];
  if (pods.length === 0) told.push({ type: "Normal", reason: "NoPods", message: "No matching pods found" });
  try {
    const { expected, desired, unmanaged } = wantedOf(budget, pods, owners);
    if (unmanaged.length > 0) told.push({ type: "Warning", reason: "UnmanagedPods", message: UNMANAGED });
    return count(budget, pods, { expected, desired }, told, now);
  } catch (error) {
    if (!(error instanceof NotCountable)) throw error;
    const message = `Failed to calculate the number of expected pods: ${error.message}`;
    return {
      // The generation stays unseen: what is not counted is not known.
      status: refuseDisruptions(budget.status ?? NOTHING, error.message, now),
      told: [...told, { type: "Warning", reason: "CalculateExpectedPodCountFailed", message }],
    };
  }
}

const NOTHING: DisruptionStatus = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
const UNMANAGED =
  "Some of the selected pods have no controller, so that it is not known how many there should be and " +
  "the budget may not hold. Give the budget a `minAvailable` that is a number to count them too.";

function wantedOf(
  { spec }: PodDisruptionBudget,
  pods: readonly Pod[],
  owners: Owners,
): { expected: number; desired: number; unmanaged: readonly Pod[] } {
  const { minAvailable, maxUnavailable } = spec;
  if (maxUnavailable !== undefined) {
    const { expected, unmanaged } = expectedPods(pods, owners);
    return { expected, unmanaged, desired: Math.max(0, expected - scaleIntOrPercent(maxUnavailable, expected, "up")) };
  }
  if (typeof minAvailable === "number") return { expected: pods.length, desired: minAvailable, unmanaged: [] };
  if (minAvailable === undefined) return { expected: 0, desired: 0, unmanaged: [] };
  const { expected, unmanaged } = expectedPods(pods, owners);
  return { expected, unmanaged, desired: scaleIntOrPercent(minAvailable, expected, "up") };
}

function count(
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
  { expected, desired }: { expected: number; desired: number },
  told: BudgetPlan["told"],
  now: number,
): BudgetPlan {
  const { disrupted, late, reconsiderAt } = awaited(budget, pods, now);
  const staying = pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const healthy = staying.filter((pod) => !(pod.metadata.name in disrupted) && isReady(pod)).length;
  const { name, namespace, generation } = budget.metadata;
  const message = `Pod was expected by PDB ${namespace}/${name} to be deleted but it wasn't`;
  return {
    status: tellDisruptions({
      ...(generation !== undefined && { observedGeneration: generation }),
      ...(Object.keys(disrupted).length > 0 && { disruptedPods: disrupted }),
      // Where no pod is known none may go: the first ones may have come a moment ago.
      disruptionsAllowed: expected > 0 ? Math.max(0, healthy - desired) : 0,
      currentHealthy: healthy,
      desiredHealthy: desired,
      expectedPods: expected,
      ...(budget.status?.conditions && { conditions: budget.status.conditions }),
    }, now),
    told: [...told, ...late.map((about) => ({ type: "Warning" as const, reason: "NotDeleted", message, about }))],
    ...(reconsiderAt !== undefined && { reconsiderAt }),
  };
}

/** Pods whose eviction was let through and that have not been seen leaving; after a while they count again. */
function awaited(
  { status }: PodDisruptionBudget,
  pods: readonly Pod[],
  now: number,
): { disrupted: Record<string, string>; late: Pod[]; reconsiderAt?: number } {
  const disrupted: Record<string, string> = {};
  const late: Pod[] = [];
  let reconsiderAt: number | undefined;
  for (const pod of pods) {
    const { name, deletionTimestamp } = pod.metadata;
    const since = status?.disruptedPods?.[name];
    if (since === undefined || deletionTimestamp !== undefined) continue;
    const until = parseTime(since) + LEAVING_MS_MAX;
    if (until <= now) late.push(pod);
    else {
      disrupted[name] = since;
      reconsiderAt = Math.min(reconsiderAt ?? Infinity, until);
    }
  }
  return { disrupted, late, ...(reconsiderAt !== undefined && { reconsiderAt }) };
}
