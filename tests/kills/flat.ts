/** Whether memory that was sampled over a while stays where it was. Pure. */

export interface Growth {
  /** What was held at least in the early and in the late part, MB: what a garbage collector leaves over. */
  early: number;
  late: number;
  isFlat: boolean;
}

/** The parts of all samples that are compared; what comes before is warming up. */
const EARLY = [0.35, 0.6] as const;
const LATE = [0.75, 1] as const;
/** Noise: caches that fill once, arenas that move. */
const SHARE_MAX = 0.05;
const MB_MAX = 3;

/** @param samples MB, evenly spaced, at least ten */
export function growthOf(samples: readonly number[]): Growth {
  if (samples.length < 10) {
    throw new Error(`Cannot judge growth as ten samples are needed: there are ${samples.length}`);
  }
  const floor = ([from, to]: readonly [number, number]) =>
    Math.min(...samples.slice(Math.floor(from * samples.length), Math.ceil(to * samples.length)));
  const early = floor(EARLY);
  const late = floor(LATE);
  return { early, late, isFlat: late - early <= Math.max(MB_MAX, early * SHARE_MAX) };
}
