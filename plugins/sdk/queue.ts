/**
 * Which objects wait to be planned: each at most once, one worker an object, failures later and later.
 * After the work queue of client-go.
 */

const BACKOFF_MS_MIN = 20;
const BACKOFF_MS_MAX = 60_000;

export class WorkQueue {
  #ready: string[] = [];
  #waiting = new Set<string>();
  #running = new Set<string>();
  /** Asked for again while it ran. */
  #again = new Set<string>();
  #timers = new Map<string, { at: number; timer: ReturnType<typeof setTimeout> }>();
  #failures = new Map<string, number>();
  #takers: ((key: string) => void)[] = [];

  /** What waits, for metrics. */
  get length(): number {
    return this.#ready.length;
  }

  add(key: string): void {
    if (this.#running.has(key)) {
      this.#again.add(key);
      return;
    }
    if (this.#waiting.has(key)) return;
    const taker = this.#takers.shift();
    if (taker !== undefined) return taker(this.#start(key));
    this.#waiting.add(key);
    this.#ready.push(key);
  }

  /** Adds it when the time has come; the earliest of several wishes counts. @param at ms since the epoch */
  addAt(key: string, at: number, now: number): void {
    const pending = this.#timers.get(key);
    if (pending !== undefined && pending.at <= at) return;
    clearTimeout(pending?.timer);
    const timer = setTimeout(() => {
      this.#timers.delete(key);
      this.add(key);
    }, Math.min(Math.max(0, at - now), 2 ** 31 - 1));
    this.#timers.set(key, { at, timer });
  }

  /** The next object; waits for one. @throws the signal's reason */
  take(signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    const key = this.#ready.shift();
    if (key !== undefined) {
      this.#waiting.delete(key);
      return Promise.resolve(this.#start(key));
    }
    return new Promise((resolve, reject) => {
      const taker = (taken: string) => {
        signal.removeEventListener("abort", onAbort);
        resolve(taken);
      };
      const onAbort = () => {
        this.#takers = this.#takers.filter((other) => other !== taker);
        reject(signal.reason);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#takers.push(taker);
    });
  }

  /** The work on a taken object has ended well. */
  done(key: string): void {
    this.#failures.delete(key);
    this.#end(key);
  }

  /** It has failed, and is tried again after a while. @returns that while, in ms */
  failed(key: string, now: number, random: () => number = Math.random): number {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const most = Math.min(BACKOFF_MS_MIN * 2 ** (failures - 1), BACKOFF_MS_MAX);
    // Half fixed, half random, so that what failed together does not return together.
    const delayMs = most / 2 + random() * most / 2;
    this.#end(key);
    this.addAt(key, now + delayMs, now);
    return delayMs;
  }

  /** Forgets all timers. */
  close(): void {
    for (const { timer } of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  #start(key: string): string {
    this.#running.add(key);
    return key;
  }

  #end(key: string): void {
    this.#running.delete(key);
    if (this.#again.delete(key)) this.add(key);
  }
}
