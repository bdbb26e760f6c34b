/** The time, and waiting for it, as the API sees them: real in a server, moved by hand in tests. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls `run` once, after `ms`. The returned function calls it off. */
  after(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** RFC 3339 in whole seconds: meta/v1 Time. */
export function timestamp(now: number): string {
  return new Date(now).toISOString().slice(0, 19) + "Z";
}

/** RFC 3339 in microseconds: meta/v1 MicroTime. */
export function microTimestamp(now: number): string {
  return new Date(now).toISOString().slice(0, 23) + "000Z";
}
