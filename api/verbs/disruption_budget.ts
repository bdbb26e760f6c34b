/**
 * Whether a pod may be evicted now, by the budget that it stands under. Pure.
 *
 * Follows k8s.io/kubernetes `registry/core/pod/storage/eviction.go` (1.35).
 */
import {
  DISRUPTION_ALLOWED,
  findCondition,
  formatTime,
  isReady,
  isTerminal,
  type Pod,
  type PodDisruptionBudget,
  SYNC_FAILED,
  tellDisruptions,
} from "@k3ts/model";
import { forbidden, StatusError, tooManyRequests } from "../status.ts";

/** Evictions that were let through and that the budget's controller has not seen; more than it would ever take. */
const UNSEEN_MAX = 2000;
const BUSY_SECONDS = 10;
const BUDGETS = { group: "policy", resource: "poddisruptionbudget" };

/** Its end disrupts nothing: it has not begun, has ended, or is on its way out. */
export function isBeyondBudgets(pod: Pod): boolean {
  return isTerminal(pod) || pod.status?.phase === "Pending" || pod.metadata.deletionTimestamp !== undefined;
}

/** An unhealthy pod that may go without being counted, as nobody counted on it. */
export function isUncounted({ spec, status }: PodDisruptionBudget, pod: Pod): boolean {
  if (isReady(pod)) return false;
  if (spec.unhealthyPodEvictionPolicy === "AlwaysAllow") return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  return desiredHealthy > 0 && currentHealthy >= desiredHealthy;
}

/**
 * The budget with the pod's eviction taken from it; its controller will find the pod gone.
 * @param now ms since the epoch
 * @throws {StatusError} 429 when it allows none now, 403 when it is broken
 */
export function spend(budget: PodDisruptionBudget, pod: string, now: number): PodDisruptionBudget {
  const { name, generation = 0 } = budget.metadata;
  const status = budget.status ?? { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
  if ((status.observedGeneration ?? 0) < generation) throw stillProcessed(name);
  if (status.disruptionsAllowed < 0) throw forbidden(BUDGETS, name, "pdb disruptions allowed is negative");
  if (Object.keys(status.disruptedPods ?? {}).length > UNSEEN_MAX) {
    const why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller";
    throw forbidden(BUDGETS, name, why);
  }
  if (status.disruptionsAllowed === 0) throw refused(0, whyNone(name, status));
  const left = { ...status, disruptionsAllowed: status.disruptionsAllowed - 1 };
  const disruptedPods = { ...status.disruptedPods, [pod]: formatTime(now) };
  return {
    ...budget,
    status: { ...(left.disruptionsAllowed === 0 ? tellDisruptions(left, now) : left), disruptedPods },
  };
}

/** Its controller has not caught up with it; soon it will have. */
export function stillProcessed(name: string): StatusError {
  return refused(BUSY_SECONDS, `The disruption budget ${name} is still being processed by the server.`);
}

function whyNone(name: string, status: NonNullable<PodDisruptionBudget["status"]>): string {
  const { conditions, currentHealthy, desiredHealthy } = status;
  const condition = findCondition(conditions, DISRUPTION_ALLOWED);
  const told = condition?.status === "False" && condition.message ? condition : undefined;
  const none = `The disruption budget ${name} does not allow evicting pods currently`;
  // What failed to be counted cannot be trusted.
  if (told?.reason === SYNC_FAILED) return `${none} because it failed sync: ${told.message}`;
  if (currentHealthy <= desiredHealthy) {
    return `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`;
  }
  return told === undefined ? none : `${none} (${told.reason}): ${told.message}`;
}

function refused(retryAfterSeconds: number, why: string): StatusError {
  const message = "Cannot evict pod as it would violate the pod's disruption budget.";
  return tooManyRequests(message, retryAfterSeconds, [{ reason: "DisruptionBudget", message: why }]);
}
