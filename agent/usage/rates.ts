/** From processor time to how much of a core is used. */

export interface Rate {
  /** Billionths of a core, on average. */
  nanocores: number;
  /** Over how long, in milliseconds. */
  windowMs: number;
}

/** Averages over less say little. */
const WINDOW_MS_MIN = 1_000;

interface Seen {
  at: number;
  cpuNs: number;
  last?: Rate;
}

export class Rates {
  readonly #seen = new Map<string, Seen>();

  /**
   * @param at ms, of a clock that is never set
   * @param startedAt ms of the same clock, where it is known: the first look then counts from there
   * @returns undefined where nothing can be said yet
   */
  next(key: string, cpuNs: number, at: number, startedAt?: number): Rate | undefined {
    const seen = this.#seen.get(key);
    const before = seen ?? (startedAt === undefined ? undefined : { at: startedAt, cpuNs: 0 });
    // Too soon: what was last said holds for a little longer.
    if (before !== undefined && cpuNs >= before.cpuNs && at - before.at < WINDOW_MS_MIN) return seen?.last;
    // A time that went backwards is of another life of the same name.
    const rate = before === undefined || cpuNs < before.cpuNs ? undefined : {
      nanocores: Math.round((cpuNs - before.cpuNs) / (at - before.at) * 1000),
      windowMs: Math.round(at - before.at),
    };
    this.#seen.set(key, { at, cpuNs, ...(rate !== undefined && { last: rate }) });
    return rate;
  }

  /** Forgets all others. */
  keep(keys: ReadonlySet<string>): void {
    for (const key of this.#seen.keys()) if (!keys.has(key)) this.#seen.delete(key);
  }
}
