/** When objects expire: a heap of times, so that the next one is known without looking at all. */
import type { StoredObject } from "./stored_object.ts";

export interface Expiring<R> {
  at: number;
  resource: R;
  object: StoredObject;
}

export class ExpiryQueue<R> {
  readonly #heap: Expiring<R>[] = [];

  get size(): number {
    return this.#heap.length;
  }

  next(): number | undefined {
    return this.#heap[0]?.at;
  }

  add(expiring: Expiring<R>): void {
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

  /** Removes and returns what has expired, the oldest first, at most so many. */
  take(now: number, max: number): Expiring<R>[] {
    const taken: Expiring<R>[] = [];
    while (taken.length < max && this.#heap.length > 0 && this.#heap[0]!.at <= now) taken.push(this.#takeFirst());
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
