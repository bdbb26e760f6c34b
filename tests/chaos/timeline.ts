/** What happened and what went wrong, in the order of time. */

export interface Entry {
  /** Milliseconds since the epoch. */
  at: number;
  text: string;
}

/** As many violations are told; those with the same words only once, with their number. */
const SHOWN_MAX = 40;

export class Timeline {
  readonly #events: Entry[] = [];
  readonly violations: Entry[] = [];

  /** @param onViolation told of each as it is found */
  constructor(readonly onViolation: (text: string) => void = () => {}) {}

  tell(at: number, text: string): void {
    this.#events.push({ at, text });
  }

  violation(at: number, text: string): void {
    const isNew = this.violations.every((other) => other.text !== text);
    this.violations.push({ at, text });
    if (isNew) this.onViolation(text);
  }

  /** With the time since the first entry, violations marked; only what led to the last of those shown. */
  render(): string {
    const all = Map.groupBy(this.violations.toSorted(byTime), ({ text }) => text);
    const shown = [...all.values()].slice(0, SHOWN_MAX).map(([first, ...same]) => ({
      at: first!.at,
      text: `${first!.text}${same.length > 0 ? ` (and ${same.length} times more)` : ""}`,
    }));
    const last = shown.at(-1)?.at ?? Infinity;
    const lines = [
      ...this.#events.filter(({ at }) => at <= last).map((entry) => ({ ...entry, mark: "   " })),
      ...shown.map((entry) => ({ ...entry, mark: "!!!" })),
    ].toSorted(byTime);
    const start = lines[0]?.at ?? 0;
    const rest = all.size - shown.length;
    return [
      `from ${new Date(start).toISOString()} on, seconds:`,
      ...lines.map(({ at, text, mark }) => `${((at - start) / 1000).toFixed(3).padStart(9)} ${mark} ${text}`),
      ...(rest > 0 ? [`and ${rest} other violations`] : []),
    ].join("\n");
  }
}

function byTime(one: Entry, other: Entry): number {
  return one.at - other.at;
}
