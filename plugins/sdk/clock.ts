/** The time, and waiting for it: real in a process, moved by hand in tests. */
export interface Clock {
  /** ms since the epoch */
  now(): number;
  /** Calls `run` once, after `ms`. The returned function calls it off. */
  after(ms: number, run: () => void): () => void;
}

/** What `setTimeout` can wait for; it takes anything longer for nothing. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, Math.min(Math.max(0, ms), TIMEOUT_MS_MAX));
    return () => clearTimeout(timer);
  },
};
