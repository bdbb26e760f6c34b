/** What one look at a Job and its pods says, before anything is decided. */
import { isActive, isReady, type Job, type Pod } from "@k3ts/model/objects";
import { has, type Indexes, indexesOf, parseIndexes, union } from "./intervals.ts";
import { failuresBefore, finishedAt, hasFailed, hasSucceeded, indexOf, isLeaving, isTracked } from "./pods.ts";
import { judgeFailure } from "./policies.ts";

export interface Round {
  job: Job;
  now: number;
  /** All that it controls. */
  pods: readonly Pod[];
  active: readonly Pod[];
  ready: number;
  /** Told to go, and not gone yet. */
  leaving: number;
  /** Of pods that the status counts one by one, until their finalizer is gone. */
  uncounted: { succeeded: ReadonlySet<string>; failed: ReadonlySet<string> };
  /** Pods, those that the status does not know yet included. */
  succeeded: number;
  failed: number;
  /** Of an Indexed Job. */
  indexes?: IndexState;
}

export interface IndexState {
  completions: number;
  /** As the status has them. */
  known: Indexes;
  succeeded: Indexes;
  /** Only where each index has a limit of its own. */
  failed?: Indexes;
  /** By index: the failed pod that stays until its replacement has taken its count over. */
  held: ReadonlyMap<number, Pod>;
}

export function observe(job: Job, pods: readonly Pod[], now: number): Round {
  const { status = {} } = job;
  const active = pods.filter(isActive);
  const uncounted = {
    succeeded: new Set(status.uncountedTerminatedPods?.succeeded),
    failed: new Set(status.uncountedTerminatedPods?.failed),
  };
  const fresh = pods.filter((pod) => isTracked(pod) && isOfJob(pod, job));
  const succeeded = fresh.filter((pod) => hasSucceeded(pod) && !uncounted.succeeded.has(pod.metadata.uid));
  const failed = fresh.filter((pod) => hasFailed(pod, job) && !uncounted.failed.has(pod.metadata.uid));
  const round: Round = {
    job,
    now,
    pods,
    active,
    ready: active.filter(isReady).length,
    leaving: pods.filter(isLeaving).length,
    uncounted,
    succeeded: (status.succeeded ?? 0) + succeeded.length + uncounted.succeeded.size,
    failed: (status.failed ?? 0) + uncounted.failed.size +
      failed.filter((pod) => judgeFailure(job.spec, pod).counts).length,
  };
  return isIndexed(job) ? { ...round, indexes: observeIndexes(round, fresh) } : round;
}

export function isIndexed({ spec }: Job): boolean {
  return spec.completionMode === "Indexed";
}

/** In an Indexed Job only pods of its indexes count. */
export function isOfJob(pod: Pod, job: Job): boolean {
  if (!isIndexed(job)) return true;
  const index = indexOf(pod);
  return index !== undefined && index < (job.spec.completions ?? 0);
}

export function activeIndexes(pods: readonly Pod[]): Set<number> {
  return new Set(pods.map(indexOf).filter((index) => index !== undefined));
}

function observeIndexes({ job, active }: Round, fresh: readonly Pod[]): IndexState {
  const { spec, status = {} } = job;
  const completions = spec.completions ?? 0;
  const known = parseIndexes(status.completedIndexes, completions);
  const succeeded = union(known, indexesOf(activeIndexes(fresh.filter(hasSucceeded))));
  if (spec.backoffLimitPerIndex === undefined) return { completions, known, succeeded, held: new Map() };
  const before = parseIndexes(status.failedIndexes, completions);
  const failed = union(before, indexesOf(activeIndexes(fresh.filter((pod) => failsIndex(pod, job)))));
  return {
    completions,
    known,
    succeeded,
    failed,
    held: heldPods(job, fresh, succeeded, failed, activeIndexes(active)),
  };
}

function failsIndex(pod: Pod, job: Job): boolean {
  if (!hasFailed(pod, job)) return false;
  const { counts, failsIndex } = judgeFailure(job.spec, pod);
  return failsIndex || (counts && failuresBefore(pod).counted >= job.spec.backoffLimitPerIndex!);
}

function heldPods(
  job: Job,
  fresh: readonly Pod[],
  succeeded: Indexes,
  failed: Indexes,
  active: ReadonlySet<number>,
): Map<number, Pod> {
  const settled = union(union(succeeded, failed), indexesOf(active));
  const held = new Map<number, Pod>();
  for (const pod of fresh.filter((pod) => hasFailed(pod, job))) {
    const index = indexOf(pod)!;
    if (has(settled, index)) continue;
    const other = held.get(index);
    if (other === undefined || isLater(pod, other)) held.set(index, pod);
  }
  return held;
}

/** It replaced the other, or ended after it. */
function isLater(pod: Pod, other: Pod): boolean {
  const total = (each: Pod) => failuresBefore(each).counted + failuresBefore(each).ignored;
  return total(other) <= total(pod) && finishedAt(pod) >= finishedAt(other);
}
