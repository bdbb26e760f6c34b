/** How many pods a Job has now and should have: which to make, which to take away. Pure. */
import { isReady, type Pod, readySince } from "@k3ts/model/objects";
import { retryAt, retryIndexAt } from "./backoff.ts";
import { firstMissing, indexesOf, union } from "./intervals.ts";
import { failuresBefore, hasFailed, hasSucceeded, indexOf, isLeaving, isTracked, replacesFailedOnly } from "./pods.ts";
import { judgeFailure } from "./policies.ts";
import { activeIndexes, isIndexed, type Round } from "./round.ts";

/** Most pods made or taken away by one plan, so that a mistake in a spec stays small. */
const BURST_MAX = 500;

/** A pod that is to be made. */
export interface NewPod {
  /** Of an Indexed Job. */
  index?: number;
  /** Where each index has a limit: how many pods of it have failed. */
  failures?: { counted: number; ignored: number };
}

export interface Management {
  creates: NewPod[];
  /** These are not failures of the Job. */
  deletes: Pod[];
  /** When more may be made, in ms since the epoch. */
  reconsiderAt?: number;
}

export function manage(round: Round): Management {
  const { job, active, leaving } = round;
  if (job.spec.suspend === true) return { creates: [], deletes: surplus(round, active.length) };
  const wanted = wantedOf(round);
  const deletes = surplus(round, Math.max(0, active.length - wanted)).slice(0, BURST_MAX);
  if (deletes.length > 0) return { creates: [], deletes };
  const missing = wanted - active.length - (replacesFailedOnly(job) ? leaving : 0);
  return missing > 0 ? make(round, Math.min(missing, BURST_MAX)) : { creates: [], deletes };
}

function wantedOf({ job, active, succeeded, indexes }: Round): number {
  const { completions, parallelism = 1 } = job.spec;
  const done = indexes === undefined
    ? succeeded
    : indexes.succeeded.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  // Without a number of completions the first success is the beginning of the end.
  if (completions === undefined) return done > 0 ? active.length : parallelism;
  return Math.max(0, Math.min(parallelism, completions - done));
}

function make(round: Round, count: number): Management {
  const { job, now, pods, indexes } = round;
  const hasOwnLimits = job.spec.backoffLimitPerIndex !== undefined;
  const at = hasOwnLimits ? -Infinity : retryAt(pods.filter(hasSucceeded), pods.filter((pod) => isFailure(pod, round)));
  if (at > now) return { creates: [], deletes: [], reconsiderAt: at };
  if (!isIndexed(job) || indexes === undefined) {
    return { creates: Array.from({ length: count }, () => ({})), deletes: [] };
  }
  const missing = missingIndexes(round, count);
  if (!hasOwnLimits) return { creates: missing.map((index) => ({ index })), deletes: [] };
  const times = missing.map((index) => ({ index, at: retryIndexAt(indexes.held.get(index)) }));
  const waiting = times.filter(({ at }) => at > now).map(({ at }) => at);
  return {
    creates: times.filter(({ at }) => at <= now).map(({ index }) => ({
      index,
      failures: failuresFor(round, indexes.held.get(index)),
    })),
    deletes: [],
    ...(waiting.length > 0 && { reconsiderAt: Math.min(...waiting) }),
  };
}

/** Not one that we took away ourselves. */
function isFailure(pod: Pod, { job }: Round): boolean {
  return hasFailed(pod, job) && (isTracked(pod) || pod.metadata.deletionTimestamp === undefined);
}

function missingIndexes({ job, active, pods, indexes }: Round, count: number): number[] {
  const { succeeded, failed = [], completions } = indexes!;
  const leaving = replacesFailedOnly(job) ? pods.filter(isLeaving) : [];
  const busy = indexesOf(activeIndexes([...active, ...leaving]));
  return firstMissing(union(union(succeeded, failed), busy), count, completions);
}

function failuresFor({ job }: Round, replaced: Pod | undefined): { counted: number; ignored: number } {
  if (replaced === undefined) return { counted: 0, ignored: 0 };
  const { counted, ignored } = failuresBefore(replaced);
  return judgeFailure(job.spec, replaced).counts
    ? { counted: counted + 1, ignored }
    : { counted, ignored: ignored + 1 };
}

/** Pods without a place of their own, and beyond these as many as are too many: those first that have done the least. */
function surplus(round: Round, atLeast: number): Pod[] {
  const { active, indexes } = round;
  const { misplaced, left } = indexes === undefined
    ? { misplaced: [], left: active }
    : splitByIndex(active, indexes.completions);
  const more = Math.max(0, atLeast - misplaced.length);
  return [...misplaced, ...[...left].sort(compareEffort).slice(0, more)];
}

/** Two pods of one index, or pods of none: the one that has done the most stays. */
function splitByIndex(active: readonly Pod[], completions: number): { misplaced: Pod[]; left: Pod[] } {
  const misplaced: Pod[] = [];
  const left: Pod[] = [];
  for (const [index, pods] of Map.groupBy(active, indexOf)) {
    const sorted = pods.toSorted(compareEffort);
    if (index !== undefined && index < completions) left.push(sorted.pop()!);
    misplaced.push(...sorted);
  }
  return { misplaced, left };
}

const PHASES = ["Pending", "Unknown", "Running"];

function effortOf(pod: Pod): number[] {
  const ready = isReady(pod);
  const restarts = (pod.status?.containerStatuses ?? []).map(({ restartCount }) => restartCount ?? 0);
  return [
    pod.spec.nodeName ? 1 : 0,
    PHASES.indexOf(pod.status?.phase ?? "Pending"),
    ready ? 1 : 0,
    ready ? -readySince(pod) : 0,
    -Math.max(0, ...restarts),
    -Date.parse(pod.metadata.creationTimestamp ?? ""),
  ];
}

function compareEffort(a: Pod, b: Pod): number {
  const left = effortOf(a);
  const right = effortOf(b);
  const decides = left.findIndex((value, index) => value !== right[index]);
  if (decides !== -1) return left[decides]! - right[decides]!;
  return a.metadata.name < b.metadata.name ? -1 : 1;
}
