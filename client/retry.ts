import { backoffMs, type BackoffOptions, delay } from "./backoff.ts";
import { isConflict } from "./errors.ts";

export interface RetryOptions extends BackoffOptions {
  /** @default 5 */
  triesMax?: number;
  signal?: AbortSignal;
}

/**
 * Runs a function again while it ends in a conflict. It must read the object afresh each time.
 * @throws what the function throws: the conflict itself once the tries are used up
 */
export async function retryOnConflict<R>(write: () => Promise<R>, options: RetryOptions = {}): Promise<R> {
  const { triesMax = 5, signal } = options;
  for (let tries = 1;; tries++) {
    try {
      return await write();
    } catch (error) {
      if (!isConflict(error) || tries >= triesMax) throw error;
      await delay(backoffMs(tries, { initialMs: 10, maxMs: 1000, ...options }), signal);
    }
  }
}
