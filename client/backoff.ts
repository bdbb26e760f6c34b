/** Waiting before another try. */

export interface BackoffOptions {
  /** Most milliseconds before the first retry. @default 200 */
  initialMs?: number;
  /** Most milliseconds before any retry. @default 30,000 */
  maxMs?: number;
  /** From 0 to below 1. @default Math.random */
  random?: () => number;
}

/**
 * Milliseconds to wait after so many failures in a row: full jitter, anything from 0 to a ceiling that doubles, so that
 * those who failed together do not come back together.
 */
export function backoffMs(failures: number, options: BackoffOptions = {}): number {
  const { initialMs = 200, maxMs = 30_000, random = Math.random } = options;
  return random() * Math.min(maxMs, initialMs * 2 ** Math.max(0, failures - 1));
}

/** Resolves after a time. @throws the signal's reason, at once, when it fires */
export function delay(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** Waits before other tries, which somebody who knows better can end: that a server is there again, for instance. */
export class Pause {
  readonly #waiting = new Set<() => void>();

  /** Resolves after a time, at {@linkcode end}, or with the signal. */
  async wait(ms: number, signal?: AbortSignal): Promise<void> {
    const ended = new AbortController();
    const end = () => ended.abort();
    this.#waiting.add(end);
    signal?.addEventListener("abort", end, { once: true });
    try {
      if (signal?.aborted !== true) await delay(ms, ended.signal);
    } catch {
      // Ended early.
    } finally {
      signal?.removeEventListener("abort", end);
      this.#waiting.delete(end);
    }
  }

  /** For all that wait now. */
  end(): void {
    for (const end of this.#waiting) end();
  }
}
