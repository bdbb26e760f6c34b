/** Lets the store forget, every minute, what is older than anybody may ask for. */
import type { Clock, MonotonicTime } from "@k3ts/model";
import type { Revision } from "../store/store.ts";

const EVERY_MS = 60_000;

export interface CompactionParts {
  /** The newest revision that is visible. */
  newest: () => Revision;
  compact: (before: Revision) => Promise<void>;
}

export class Compaction {
  readonly #clock: Clock;
  readonly #keepMs: number;
  readonly #parts: CompactionParts;
  readonly #over: AbortSignal;
  #callOff: (() => void) | undefined;

  /**
   * @param keepMs how long the store keeps what was
   * @param over after it nothing is begun again
   */
  constructor(clock: Clock, keepMs: number, parts: CompactionParts, over: AbortSignal) {
    this.#clock = clock;
    this.#keepMs = keepMs;
    this.#parts = parts;
    this.#over = over;
  }

  /** Of what was there before nobody knows how old it is: it counts as new. */
  start(): void {
    this.stop();
    this.#await([]);
  }

  stop(): void {
    this.#callOff?.();
    this.#callOff = undefined;
  }

  /** @param marks which revision was the newest when, oldest first, since the last compaction */
  #await(marks: { at: MonotonicTime; revision: Revision }[]): void {
    if (this.#over.aborted) return;
    this.#callOff = this.#clock.after(EVERY_MS, () => {
      const now = this.#clock.monotonic();
      marks.push({ at: now, revision: this.#parts.newest() });
      let before: Revision | undefined;
      while (marks.length > 0 && now - marks[0]!.at >= this.#keepMs) before = marks.shift()!.revision;
      // A failed compaction loses nothing; a store that has failed shows at the next write.
      if (before !== undefined) this.#parts.compact(before).catch(() => {});
      this.#await(marks);
    });
  }
}
