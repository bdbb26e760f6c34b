/**
 * The statistics of samples of two sides that took turns. Nothing is assumed of how the samples are distributed, but
 * that rounds do not depend on each other: times of computers are neither normal nor free of outliers.
 */

/** @throws RangeError when there is no value */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("Cannot take a median as there must be a value: there is none");
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** The value that a share of all values does not exceed (nearest rank). @param share 0.5 is the middle */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError("Cannot take a quantile as there must be a value: there is none");
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))]!;
}

export interface Interval {
  readonly low: number;
  readonly high: number;
  /** How sure it is that the true median lies in it, 0 to 1. */
  readonly confidence: number;
}

export const CONFIDENCE = 0.95;

/**
 * Where the true median is: the narrowest pair of order statistics, as far from the least as from the largest, that
 * holds it with the wanted confidence, or all of the values when there are too few. Exact for every distribution
 * (Conover, Practical Nonparametric Statistics, 3rd ed., 3.2; the confidence is that of the sign test).
 */
export function medianInterval(values: readonly number[], wanted: number = CONFIDENCE): Interval {
  const count = values.length;
  if (count === 0) throw new RangeError("Cannot find an interval as there must be a value: there is none");
  const sorted = values.toSorted((a, b) => a - b);
  let cut = 0; // so many are left out at each end
  let confidence = confidenceWithout(0, count);
  while (2 * (cut + 1) < count) {
    const next = confidenceWithout(cut + 1, count);
    if (next < wanted) break;
    [cut, confidence] = [cut + 1, next];
  }
  return { low: sorted[cut]!, high: sorted[count - 1 - cut]!, confidence };
}

/** The chance that at least `cut + 1` of so many values lie on each side of their median. */
function confidenceWithout(cut: number, count: number): number {
  let outside = 0;
  for (let below = 0, term = 0.5 ** count; below <= cut; below++) {
    outside += term;
    term *= (count - below) / (below + 1);
  }
  return Math.max(0, 1 - 2 * outside);
}

/** Of each round by itself: what slowed a whole round down falls out. Nothing by nothing is 1. */
export function pairedRatios(ours: readonly number[], theirs: readonly number[]): number[] {
  if (ours.length !== theirs.length) {
    throw new RangeError(`Cannot pair rounds as both sides must have as many: ${ours.length} and ${theirs.length}`);
  }
  return ours.map((value, round) => value === theirs[round] ? 1 : value / theirs[round]!);
}
