/**
 * How long a Job waits before it replaces what has failed: 10 s, twice as long each time, 10 min at most. Told by the
 * pods that are still there, so that a restart forgets nothing; what somebody has deleted is replaced at once.
 */
import type { Pod } from "@k3ts/model/objects";
import { failuresBefore, finishedAt } from "./pods.ts";

const MS_MIN = 10_000;
const MS_MAX = 600_000;

/** When another pod may be made, after failures in a row; in ms since the epoch. */
export function retryAt(succeeded: readonly Pod[], failed: readonly Pod[]): number {
  const lastSuccess = latest(succeeded.map(finishedAt));
  const since = failed.map(finishedAt).filter((at) => at > lastSuccess);
  return after(since.length, latest(since));
}

/** The same for one index, whose pods tell how many failed before them. */
export function retryIndexAt(last: Pod | undefined): number {
  if (last === undefined) return -Infinity;
  const { counted, ignored } = failuresBefore(last);
  return after(counted + ignored + 1, finishedAt(last));
}

function after(failures: number, last: number): number {
  return failures === 0 ? -Infinity : last + Math.min(MS_MIN * 2 ** (failures - 1), MS_MAX);
}

function latest(times: readonly number[]): number {
  return times.reduce((latest, time) => Math.max(latest, time), -Infinity);
}
