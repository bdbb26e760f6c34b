/** Whether a Job has come to its end, and which: what was decided once stays decided. Pure. */
import { findCondition, isConditionTrue, type Job, type JobCondition, parseTime, type Pod } from "@k3ts/model/objects";
import { countOf } from "./intervals.ts";
import { hasFailed } from "./pods.ts";
import { judgeFailure, judgeSuccess } from "./policies.ts";
import type { Round } from "./round.ts";

/** The condition that says so before the last pod is gone, and with what it ends (KEP-3998, KEP-3939). */
export interface End {
  type: "SuccessCriteriaMet" | "FailureTarget";
  reason: string;
  message: string;
  /** The status says it already. */
  isTold: boolean;
}

export const COMPLETE: End = {
  type: "SuccessCriteriaMet",
  reason: "CompletionsReached",
  message: "Reached expected number of succeeded pods",
  isTold: false,
};

export function isFinished({ status }: Job): boolean {
  return isConditionTrue(status?.conditions, "Complete") || isConditionTrue(status?.conditions, "Failed");
}

/** Everything but the number of completions, which counts only once no pod is left that might still be needed. */
export function endOf(round: Round): End | undefined {
  const { job, pods } = round;
  return told(job, "SuccessCriteriaMet") ?? told(job, "FailureTarget") ?? failedByPolicy(job, pods) ??
    exhausted(round) ?? failedByIndexes(round) ?? succeededByPolicy(round);
}

function told({ status }: Job, type: End["type"]): End | undefined {
  const condition: JobCondition | undefined = findCondition(status?.conditions, type);
  if (condition?.status !== "True") return undefined;
  return { type, reason: condition.reason ?? "", message: condition.message ?? "", isTold: true };
}

function failure(reason: string, message: string): End {
  return { type: "FailureTarget", reason, message, isTold: false };
}

function failedByPolicy(job: Job, pods: readonly Pod[]): End | undefined {
  if (job.spec.podFailurePolicy === undefined) return undefined;
  for (const pod of pods.filter((pod) => hasFailed(pod, job))) {
    const { failsJob } = judgeFailure(job.spec, pod);
    if (failsJob !== undefined) return failure("PodFailurePolicy", failsJob);
  }
  return undefined;
}

function exhausted({ job, pods, failed, now }: Round): End | undefined {
  if (failed > job.spec.backoffLimit! || restartsTooOften(job, pods)) {
    return failure("BackoffLimitExceeded", "Job has reached the specified backoff limit");
  }
  const deadline = deadlineOf(job);
  if (deadline !== undefined && now >= deadline) {
    return failure("DeadlineExceeded", "Job was active longer than specified deadline");
  }
  return undefined;
}

/** Where pods are restarted in place, their restarts count too. */
function restartsTooOften({ spec }: Job, pods: readonly Pod[]): boolean {
  if (spec.template.spec?.restartPolicy !== "OnFailure") return false;
  const restarts = pods
    .filter(({ status }) => status?.phase === "Running" || status?.phase === "Pending")
    .flatMap(({ status }) => [...status?.initContainerStatuses ?? [], ...status?.containerStatuses ?? []])
    .reduce((sum, { restartCount }) => sum + (restartCount ?? 0), 0);
  return spec.backoffLimit === 0 ? restarts > 0 : restarts >= spec.backoffLimit!;
}

/** When it has been active for too long, in ms since the epoch; what was suspended has to start anew first. */
export function deadlineOf({ spec, status }: Job): number | undefined {
  const { activeDeadlineSeconds: seconds, suspend } = spec;
  if (seconds === undefined || status?.startTime === undefined || suspend === true) return undefined;
  if (isConditionTrue(status.conditions, "Suspended")) return undefined;
  return parseTime(status.startTime) + seconds * 1000;
}

function failedByIndexes({ job, indexes }: Round): End | undefined {
  if (indexes?.failed === undefined) return undefined;
  const failed = countOf(indexes.failed);
  const { maxFailedIndexes } = job.spec;
  if (maxFailedIndexes !== undefined && failed > maxFailedIndexes) {
    const message = "Job has exceeded the specified maximal number of failed indexes";
    return failure("MaxFailedIndexesExceeded", message);
  }
  const settled = failed + countOf(indexes.succeeded);
  return failed > 0 && settled >= indexes.completions ? failure("FailedIndexes", "Job has failed indexes") : undefined;
}

function succeededByPolicy({ job, indexes }: Round): End | undefined {
  const message = indexes === undefined ? undefined : judgeSuccess(job, indexes.succeeded);
  return message === undefined
    ? undefined
    : { type: "SuccessCriteriaMet", reason: "SuccessPolicy", message, isTold: false };
}
