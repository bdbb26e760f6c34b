/**
 * The time, told apart by what it is good for. The clock on the wall says what users see and what is stored, but a
 * machine's clock may be set at any moment, ahead or back. How long something takes within a process is measured by the
 * monotonic one, which nobody can set and which means nothing to another process.
 */

declare const of: unique symbol;
/** ms since the epoch. */
export type WallTime = number & { readonly [of]?: "wall" };
/** ms since about when the process began; before that it is negative. */
export type MonotonicTime = number & { readonly [of]?: "monotonic" };

/** The same moment by both. */
export interface Moment {
  readonly wall: WallTime;
  readonly monotonic: MonotonicTime;
}

/** The time, and waiting for it: real in a process, moved by hand in tests. */
export interface Clock {
  readonly wall: () => WallTime;
  readonly monotonic: () => MonotonicTime;
  /** Calls `run` once, after `ms`, however the clock on the wall is set. The returned function calls it off. */
  after(ms: number, run: () => void): () => void;
}

/** What `setTimeout` can wait for; it takes anything longer for nothing. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  wall: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, Math.min(Math.ceil(Math.max(0, ms)), TIMEOUT_MS_MAX));
    return () => clearTimeout(timer);
  },
};

export function momentOf({ wall, monotonic }: Clock): Moment {
  return { wall: wall(), monotonic: monotonic() };
}

/**
 * When something was that somebody noted by the clock on the wall, as this process counts. Ask once and keep the answer,
 * as that clock may be set before the next time. What lies ahead, as it was put back since, counts as having just been.
 */
export function monotonicOf(noted: WallTime, now: Moment): MonotonicTime {
  return now.monotonic - Math.max(0, now.wall - noted);
}
