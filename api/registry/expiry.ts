/**
 * When objects expire: a heap of times, so that the next one is known without looking at all.
 *
 * An object is in it once, however often it is written: when its time comes, whoever asks looks whether that has been put
 * off, and adds it again.
 */
import type { Moment, MonotonicTime, WallTime } from "@k3ts/model";
import type { Subject } from "../status.ts";
import { objectKey } from "./keys.ts";

export interface Expiring<R> {
  at: MonotonicTime;
  resource: R;
  namespace: string;
  name: string;
}

export class ExpiryQueue<R extends Subject> {
  readonly #heap: Expiring<R>[] = [];
  readonly #queued = new Set<string>();

  get size(): number {
    return this.#heap.length;
  }

  next(): MonotonicTime | undefined {
    return this.#heap[0]?.at;
  }

  /** Does nothing for an object that is there already, with a time that is not later. */
  add(expiring: Expiring<R>): void {
    const key = keyOf(expiring);
    if (this.#queued.has(key)) return;
    this.#queued.add(key);
    const heap = this.#heap;
    let index = heap.push(expiring) - 1;
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      if (heap[parent]!.at <= expiring.at) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = expiring;
  }

  /** Removes and returns those whose time has come, the oldest first, at most so many. */
  take(now: MonotonicTime, max: number): Expiring<R>[] {
    const taken: Expiring<R>[] = [];
    while (taken.length < max && this.#heap.length > 0 && this.#heap[0]!.at <= now) taken.push(this.#takeFirst());
    for (const expiring of taken) this.#queued.delete(keyOf(expiring));
    return taken;
  }

  #takeFirst(): Expiring<R> {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child++;
      if (heap[child]!.at >= last.at) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

/**
 * When what was read from the store expires, as this process counts: at once, or at the latest when it would if it were
 * written now, however the machine's clock was set since.
 */
export function expiryOf(
  { ttlMs = Infinity }: { ttlMs?: number },
  stored: WallTime | undefined,
  now: Moment,
): MonotonicTime | undefined {
  return stored === undefined ? undefined : now.monotonic + Math.min(Math.max(0, stored - now.wall), ttlMs);
}

function keyOf({ resource, namespace, name }: Expiring<Subject>): string {
  return objectKey(resource, namespace, name);
}
