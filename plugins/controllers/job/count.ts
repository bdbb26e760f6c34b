/**
 * Counts every pod of a Job exactly once, whatever is killed in between (KEP-2307). A pod that has ended is first
 * written into the status by its uid (or its index), then loses the finalizer that holds it, then becomes a number;
 * each step rests on the one before having been written.
 */
import type { JobStatus, Pod } from "@k3ts/model/objects";
import type { End } from "./finish.ts";
import { countOf, formatIndexes, has } from "./intervals.ts";
import { hasFailed, hasSucceeded, indexOf, isTracked } from "./pods.ts";
import { judgeFailure } from "./policies.ts";
import { isOfJob, type Round } from "./round.ts";

/** Most pods that the status names at a time, so that it stays small. */
const UNCOUNTED_MAX = 500;

export interface Counting {
  /** Counted: their finalizer may go. */
  freed: Pod[];
  /** What the status says once that is so. */
  status: Pick<JobStatus, "succeeded" | "failed" | "completedIndexes" | "failedIndexes" | "uncountedTerminatedPods">;
  /** Some are named and not yet counted, or not even named. */
  isPending: boolean;
}

/** @param going pods that this plan tells to go: they are looked at again when they have been told */
export function count(round: Round, end: End | undefined, going: ReadonlySet<Pod>): Counting {
  const named = { succeeded: [...round.uncounted.succeeded], failed: [...round.uncounted.failed] };
  const held = new Set(round.pods.filter(isTracked).map(({ metadata }) => metadata.uid));
  const steps = inOrder(round)
    .filter((pod) => isTracked(pod) && !going.has(pod) && mayGo(pod, round, end))
    .map((pod) => ({ pod, step: stepOf(pod, round, end) }));
  const freed = steps.filter(({ step }) => step === "free").map(({ pod }) => pod);
  for (const { metadata } of freed) held.delete(metadata.uid);
  const left = (uids: readonly string[]) => uids.filter((uid) => held.has(uid));
  const room = Math.max(0, UNCOUNTED_MAX - left(named.succeeded).length - left(named.failed).length);
  const waiting = steps.filter(({ step }) => step !== "free");
  for (const { pod, step } of waiting.slice(0, room)) {
    if (step === "succeeded" || step === "failed") named[step].push(pod.metadata.uid);
  }
  const succeeded = left(named.succeeded);
  const failed = left(named.failed);
  const { status = {} } = round.job;
  return {
    freed,
    isPending: waiting.length + succeeded.length + failed.length > 0,
    status: {
      succeeded: (status.succeeded ?? 0) + named.succeeded.length - succeeded.length,
      failed: (status.failed ?? 0) + named.failed.length - failed.length,
      uncountedTerminatedPods: {
        ...(succeeded.length > 0 && { succeeded }),
        ...(failed.length > 0 && { failed }),
      },
      ...indexStatus(round),
    },
  };
}

function inOrder({ pods, indexes }: Round): readonly Pod[] {
  return indexes === undefined ? pods : pods.toSorted((a, b) => (indexOf(a) ?? -1) - (indexOf(b) ?? -1));
}

/** Nothing that it may still say is of interest. */
function mayGo(pod: Pod, { job, indexes }: Round, end: End | undefined): boolean {
  // That the Job ends must be known before pods go because of it.
  if (job.metadata.deletionTimestamp !== undefined || end?.isTold === true || hasSucceeded(pod)) return true;
  if (!hasFailed(pod, job)) return false;
  const index = indexOf(pod);
  return index === undefined || indexes?.held.get(index)?.metadata.uid !== pod.metadata.uid;
}

function stepOf(pod: Pod, round: Round, end: End | undefined): "free" | "index" | "succeeded" | "failed" {
  const { job, uncounted, indexes } = round;
  const { uid } = pod.metadata;
  if (hasSucceeded(pod) && !uncounted.failed.has(uid)) {
    if (indexes === undefined) return uncounted.succeeded.has(uid) ? "free" : "succeeded";
    return isOfJob(pod, job) && !has(indexes.known, indexOf(pod)!) ? "index" : "free";
  }
  // Where the Job has failed, whatever has not ended has failed with it.
  const failed = hasFailed(pod, job) || (end?.isTold === true && end.type === "FailureTarget");
  const counts = failed && !uncounted.failed.has(uid) && isOfJob(pod, job) && judgeFailure(job.spec, pod).counts;
  return counts ? "failed" : "free";
}

function indexStatus({ indexes }: Round): Counting["status"] {
  if (indexes === undefined) return {};
  return {
    succeeded: countOf(indexes.succeeded),
    completedIndexes: formatIndexes(indexes.succeeded),
    ...(indexes.failed !== undefined && { failedIndexes: formatIndexes(indexes.failed) }),
  };
}
