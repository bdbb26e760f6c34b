import type { Clock, MonotonicTime, WallTime } from "../clock.ts";

/** A clock that stands still until it is told to move. */
export class FakeClock implements Clock {
  #passed = 0;
  #wallOffset: number;
  readonly #timers = new Set<{ at: MonotonicTime; run: () => void }>();

  constructor(wall: WallTime = Date.parse("2026-01-01T00:00:00Z")) {
    this.#wallOffset = wall;
  }

  readonly wall = (): WallTime => this.#wallOffset + this.#passed;
  readonly monotonic = (): MonotonicTime => this.#passed;

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#passed + ms, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Moves the time and runs, in their order, the timers that it passes. */
  advance(ms: number): void {
    const until = this.#passed + ms;
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#passed = Math.max(this.#passed, due.at);
      due.run();
    }
    this.#passed = until;
  }

  /** Somebody sets the machine's clock, ahead or back; no time passes. */
  jump(ms: number): void {
    this.#wallOffset += ms;
  }
}
