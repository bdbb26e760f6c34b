import type { MonotonicTime } from "@k3ts/model/objects";

/** When a pod that has failed on a node may be replaced: after 1 s, twice as long each time, 15 min at most. */
const MS_MIN = 1_000;
const MS_MAX = 900_000;

interface Failure {
  at: MonotonicTime;
  ms: number;
}

export class Failures {
  #last = new Map<string, Failure>();

  /** @returns how long it waits yet, ms */
  waitMs(key: string, now: MonotonicTime): number {
    const last = this.#last.get(key);
    return last === undefined ? 0 : Math.max(0, last.at + last.ms - now);
  }

  note(key: string, now: MonotonicTime): void {
    // What has been quiet for long enough is forgotten, as is the DaemonSet that it was of.
    for (const [other, { at }] of this.#last) if (now - at > 2 * MS_MAX) this.#last.delete(other);
    const last = this.#last.get(key);
    this.#last.set(key, { at: now, ms: last === undefined ? MS_MIN : Math.min(last.ms * 2, MS_MAX) });
  }
}
