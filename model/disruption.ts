/** Disruption budgets: what their status says of evictions (policy/v1 PodDisruptionBudget, KEP-85). */
import { mergeConditions } from "./meta.ts";
import { formatTime } from "./time.ts";
import { matches, SelectorError } from "./selectors/mod.ts";
import type { Pod, PodDisruptionBudget } from "./types/mod.ts";

export type DisruptionStatus = NonNullable<PodDisruptionBudget["status"]>;

export const DISRUPTION_ALLOWED = "DisruptionAllowed";
/** Why that condition is False when the numbers beside it say nothing. */
export const SYNC_FAILED = "SyncFailed";

/** The status with the condition that follows from how many disruptions it allows. @param now ms since the epoch */
export function tellDisruptions(status: DisruptionStatus, now: number): DisruptionStatus {
  const allowed = status.disruptionsAllowed > 0;
  return withDisruptionCondition(
    status,
    allowed ? "True" : "False",
    allowed ? "SufficientPods" : "InsufficientPods",
    "",
    now,
  );
}

/** As nothing is known for sure, nothing may be disrupted. */
export function refuseDisruptions(status: DisruptionStatus, why: string, now: number): DisruptionStatus {
  return withDisruptionCondition({ ...status, disruptionsAllowed: 0 }, "False", SYNC_FAILED, why, now);
}

function withDisruptionCondition(
  status: DisruptionStatus,
  value: "True" | "False",
  reason: string,
  message: string,
  now: number,
): DisruptionStatus {
  const { observedGeneration, conditions } = status;
  const condition = {
    type: DISRUPTION_ALLOWED,
    status: value,
    ...(observedGeneration !== undefined && { observedGeneration }),
    reason,
    message,
  };
  return { ...status, conditions: [...mergeConditions(conditions, [condition], formatTime(now))] };
}

/** Whether the budget covers the pod; one whose selector cannot be read, or that has none, covers nothing. */
export function isUnder({ spec }: PodDisruptionBudget, { metadata }: Pod): boolean {
  try {
    return spec.selector !== undefined && matches(spec.selector, metadata.labels);
  } catch (error) {
    if (error instanceof SelectorError) return false;
    throw error;
  }
}
