/**
 * Turns at what is large: so many at a time, and of those who wait one of each user after the other.
 *
 * A turn is there to be used: whoever makes no progress with it, or has had it for long, gives it up while others wait, and
 * goes on without one at the pace that it has.
 */
import type { Clock, MonotonicTime } from "@k3ts/model";

export interface TurnLimits {
  /** @default 16 */
  atOnce: number;
  /** Without progress. @default 500 ms */
  idleMsMax: number;
  /** @default 10 s */
  lengthMsMax: number;
}

const TURN_LIMITS: TurnLimits = { atOnce: 16, idleMsMax: 500, lengthMsMax: 10_000 };

export interface Turn {
  /** Something has been done with it. */
  used(): void;
  /** It is over, or no longer waited for. */
  end(): void;
}

interface State extends Turn {
  user: string;
  begin: (turn: Turn) => void;
  begunAt: MonotonicTime;
  usedAt: MonotonicTime;
}

export class Turns {
  readonly #clock: Clock;
  readonly #limits: TurnLimits;
  readonly #active = new Set<State>();
  /** By user; whose turn comes next is first. */
  readonly #waiting = new Map<string, Set<State>>();
  #beginning = false;
  #callOffCheck: (() => void) | undefined;

  constructor(clock: Clock, limits: TurnLimits = TURN_LIMITS) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** @param begin called when the turn has come, which may be now; must not throw */
  ask(user: string, begin: (turn: Turn) => void): Turn {
    const state: State = {
      user,
      begin,
      begunAt: 0,
      usedAt: 0,
      used: () => {
        state.usedAt = this.#clock.monotonic();
      },
      end: () => this.#end(state),
    };
    const waiting = this.#waiting.get(user);
    if (waiting === undefined) this.#waiting.set(user, new Set([state]));
    else waiting.add(state);
    this.#beginNext();
    return state;
  }

  #end(state: State): void {
    if (this.#active.delete(state)) return this.#beginNext();
    const waiting = this.#waiting.get(state.user);
    if (waiting?.delete(state) && waiting.size === 0) this.#waiting.delete(state.user);
  }

  #beginNext(): void {
    // A turn may be over before it has been begun: one loop, however many.
    if (this.#beginning) return;
    this.#beginning = true;
    try {
      while (this.#active.size < this.#limits.atOnce) {
        const state = this.#takeNext();
        if (state === undefined) break;
        state.begunAt = state.usedAt = this.#clock.monotonic();
        this.#active.add(state);
        state.begin(state);
      }
    } finally {
      this.#beginning = false;
    }
    if (this.#waiting.size > 0) this.#checkLater();
  }

  #takeNext(): State | undefined {
    for (const [user, waiting] of this.#waiting) {
      const [state] = waiting;
      waiting.delete(state!);
      this.#waiting.delete(user);
      if (waiting.size > 0) this.#waiting.set(user, waiting);
      return state;
    }
  }

  #checkLater(): void {
    this.#callOffCheck ??= this.#clock.after(this.#limits.idleMsMax, () => {
      this.#callOffCheck = undefined;
      const now = this.#clock.monotonic();
      const { idleMsMax, lengthMsMax } = this.#limits;
      for (const state of this.#active) {
        if (now - state.usedAt >= idleMsMax || now - state.begunAt >= lengthMsMax) this.#active.delete(state);
      }
      this.#beginNext();
    });
  }
}
