/**
 * Which objects wait to be planned: each at most once, one worker an object, failures later and later.
 * After the work queue of client-go. It is bounded by the number of objects that exist.
 */
import { type Clock, type MonotonicTime, systemClock, type WallTime } from "@k3ts/model/objects";
import type { QueueWatch } from "./controller_metrics.ts";

/** How long what has failed waits before it is tried again. */
export interface Backoff {
  /** After the first failure. */
  msMin: number;
  msMax: number;
}

/** What may succeed a moment later: conflicts, a server on its way up. */
export const SOON: Backoff = { msMin: 20, msMax: 60_000 };

/**
 * What has failed so often in a row is not tried again at once, whoever asks: it may be its own traces, such as a
 * status that tells of the failure, by which it is woken.
 */
const PATIENT_AFTER = 3;
const PATIENCE_MS = 1_000;

export class WorkQueue {
  #ready: string[] = [];
  /** Since when, as `performance.now()` counts it. */
  #waiting = new Map<string, number>();
  #running = new Map<string, number>();
  /** Asked for again while it ran. */
  #again = new Set<string>();
  #timers = new Map<string, { at: WallTime; due: MonotonicTime; cancel: () => void }>();
  /** Of real time, whatever the clock says: they spare the server. */
  #retries = new Map<string, { failedAt: number; at: number; timer: ReturnType<typeof setTimeout> }>();
  #failures = new Map<string, number>();
  #takers: ((key: string) => void)[] = [];
  #closed = false;

  constructor(readonly clock: Clock = systemClock, readonly watch?: QueueWatch) {}

  /** How many wait. */
  get length(): number {
    return this.#ready.length;
  }

  add(key: string): void {
    if (this.#closed) return;
    if (this.#running.has(key)) {
      if (!this.#again.has(key)) this.watch?.added();
      this.#again.add(key);
      return;
    }
    if (this.#waiting.has(key) || this.#mustWait(key)) return;
    clearTimeout(this.#retries.get(key)?.timer);
    this.#retries.delete(key);
    this.#put(key);
  }

  #put(key: string): void {
    this.watch?.added();
    const taker = this.#takers.shift();
    if (taker !== undefined) return taker(this.#start(key, 0));
    this.#waiting.set(key, performance.now());
    this.#ready.push(key);
    this.watch?.depth(this.#ready.length);
  }

  /** Adds it when the time has come; the earliest of several wishes counts. */
  addAt(key: string, at: WallTime): void {
    const pending = this.#timers.get(key);
    const waitMs = Math.max(0, at - this.clock.wall());
    const due = this.clock.monotonic() + waitMs;
    // The same wish stays as it is, as the clocks are not read at quite the same moment.
    if (this.#closed || (pending !== undefined && (pending.at === at || pending.due <= due))) return;
    pending?.cancel();
    const cancel = this.clock.after(waitMs, () => {
      this.#timers.delete(key);
      this.add(key);
    });
    this.#timers.set(key, { at, due, cancel });
  }

  /** The next object; waits for one. @throws the signal's reason */
  take(signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    const key = this.#ready.shift();
    if (key !== undefined) {
      const since = this.#waiting.get(key) ?? performance.now();
      this.#waiting.delete(key);
      this.watch?.depth(this.#ready.length);
      return Promise.resolve(this.#start(key, performance.now() - since));
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

  /** How often the object has failed in a row. */
  failuresOf(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** The work on a taken object has ended well. */
  done(key: string): void {
    this.#failures.delete(key);
    this.#end(key);
  }

  /** It has failed, and is tried again after a while; sooner where somebody adds it. @returns that while, in ms */
  failed(key: string, { msMin, msMax }: Backoff = SOON, random: () => number = Math.random): number {
    const failures = this.failuresOf(key) + 1;
    this.#failures.set(key, failures);
    const most = Math.min(msMin * 2 ** (failures - 1), msMax);
    // Half fixed, half random, so that what failed together does not return together.
    const delayMs = most / 2 + random() * most / 2;
    const failedAt = performance.now();
    this.#retryAt(key, failedAt, failedAt + delayMs);
    this.watch?.retried();
    this.#end(key);
    return delayMs;
  }

  /** Forgets what waits, and takes nothing more. */
  close(): void {
    this.#closed = true;
    for (const { cancel } of this.#timers.values()) cancel();
    for (const { timer } of this.#retries.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#retries.clear();
    this.#ready = [];
    this.#waiting.clear();
  }

  /** Brings a retry forward as far as patience allows. @returns whether that is not now */
  #mustWait(key: string): boolean {
    const retry = this.#retries.get(key);
    if (retry === undefined || this.failuresOf(key) < PATIENT_AFTER) return false;
    const soonest = retry.failedAt + PATIENCE_MS;
    if (soonest <= performance.now()) return false;
    if (soonest < retry.at) this.#retryAt(key, retry.failedAt, soonest);
    return true;
  }

  /** @param at in ms, as `performance.now()` counts them */
  #retryAt(key: string, failedAt: number, at: number): void {
    clearTimeout(this.#retries.get(key)?.timer);
    if (this.#closed) return;
    const timer = setTimeout(() => {
      this.#retries.delete(key);
      this.add(key);
    }, at - performance.now());
    this.#retries.set(key, { failedAt, at, timer });
  }

  #start(key: string, waitedMs: number): string {
    this.#running.set(key, performance.now());
    this.watch?.began(waitedMs / 1000);
    return key;
  }

  #end(key: string): void {
    const began = this.#running.get(key);
    this.#running.delete(key);
    if (began !== undefined) this.watch?.ended((performance.now() - began) / 1000);
    if (this.#again.delete(key)) this.add(key);
  }
}
