/**
 * When objects expire: a heap of times, so that the next one is known without looking at all.
 *
 * An object is in it once, however often it is written: when its time comes, whoever asks looks whether that has been put
 * off, and adds it again.
 */
import type { Subject } from "../status.ts";
import { objectKey } from "./keys.ts";

export interface Expiring<R> {
  /** ms since the epoch. */
  at: number;
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

  next(): number | undefined {
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
  take(now: number, max: number): Expiring<R>[] {
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

function keyOf({ resource, namespace, name }: Expiring<Subject>): string {
  return objectKey(resource, namespace, name);
}
