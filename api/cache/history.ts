/**
 * The last changes of one resource, in order of their revisions. Bounded: the oldest are forgotten, and whoever still
 * needed them is told that they have expired.
 */
import type { MonotonicTime } from "@k3ts/model";
import type { Revision } from "../store/store.ts";
import type { ObjectChange } from "./change.ts";

export interface HistoryLimits {
  /** @default 8192 */
  changesMax: number;
  /** Bytes of the objects' JSON. @default 16 MiB */
  bytesMax: number;
  /** @default 5 minutes, as kube-apiserver keeps what its watches may resume from */
  ageMsMax: number;
}

const HISTORY_LIMITS: HistoryLimits = {
  changesMax: 8192,
  bytesMax: 16 * 1024 * 1024,
  ageMsMax: 5 * 60 * 1000,
};

export class History {
  readonly #limits: HistoryLimits;
  #changes: ObjectChange[] = [];
  #bytes = 0;
  /** How many changes were forgotten: a change's index plus this is its sequence number, which never changes. */
  #forgotten = 0;
  #begin: Revision;

  /** @param begin every change from this revision on is here */
  constructor(begin: Revision, limits: HistoryLimits = HISTORY_LIMITS) {
    this.#begin = begin;
    this.#limits = limits;
  }

  /** Every change from this revision on is here. */
  get begin(): Revision {
    return this.#begin;
  }

  /** The sequence number that the next change will get. */
  get end(): number {
    return this.#forgotten + this.#changes.length;
  }

  add(change: ObjectChange): void {
    this.#changes.push(change);
    this.#bytes += change.object.json.length;
    this.#forget(change.at);
  }

  /** @returns undefined when it is yet to come; "forgotten" when it is no more */
  at(sequence: number): ObjectChange | undefined | "forgotten" {
    return sequence < this.#forgotten ? "forgotten" : this.#changes[sequence - this.#forgotten];
  }

  /** The sequence number of the first change after a revision, or undefined when changes after it are forgotten. */
  sequenceAfter(revision: Revision): number | undefined {
    if (revision < this.#begin - 1) return undefined;
    let low = 0;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#changes[middle]!.revision <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#forgotten + low;
  }

  /** From the newest back to, but without, a revision. */
  *backTo(revision: Revision): Iterable<ObjectChange> {
    for (let index = this.#changes.length - 1; index >= 0; index--) {
      const change = this.#changes[index]!;
      if (change.revision <= revision) return;
      yield change;
    }
  }

  #forget(now: MonotonicTime): void {
    const { changesMax, bytesMax, ageMsMax } = this.#limits;
    // An eighth too many are borne, as removing from the front of an array costs its length.
    const full = this.#changes.length > changesMax * 1.125 || this.#bytes > bytesMax;
    const stale = now - this.#changes[0]!.at > ageMsMax * 1.125;
    if (!full && !stale) return;
    let count = 0;
    while (
      count < this.#changes.length &&
      (this.#changes.length - count > changesMax || this.#bytes > bytesMax * 0.875 ||
        now - this.#changes[count]!.at > ageMsMax)
    ) {
      this.#bytes -= this.#changes[count]!.object.json.length;
      count++;
    }
    this.#begin = this.#changes[count - 1]!.revision + 1;
    this.#changes.splice(0, count);
    this.#forgotten += count;
  }
}
