/** From the samples of a run to what they say. Pure. */
import type { Better, Figure, Goal, Run } from "./benchmark.ts";
import { CONFIDENCE, type Interval, median, medianInterval, pairedRatios, quantile } from "./statistics.ts";

/** Sides closer than this are called equal, when it is sure that they are. */
export const EQUAL_WITHIN = 0.05;

/** Too few rounds for a confidence of 95 %: then only what is farther away than this factor is no noise. */
export const FEW_ROUNDS_FACTOR = 2;

/** The machine is shared with others from here on. */
export const OTHERS_MAX = 0.1;

export interface Spread {
  readonly median: number;
  /** A quarter of the rounds is below, a quarter above. */
  readonly low: number;
  readonly high: number;
}

/** "Too noisy" when the noise exceeds the difference, so that nothing can be said. */
export type Verdict = "better" | "worse" | "equal" | "too noisy";

export interface Comparison extends Interval {
  readonly peer: string;
  readonly spread: Spread;
  /** Ours ÷ theirs: the median of the rounds' ratios, between low and high. */
  readonly ratio: number;
  readonly verdict: Verdict;
}

/** "Open" when the noise reaches over the goal. */
export type GoalState = "met" | "missed" | "open";

export interface FigureSummary {
  readonly figure: Figure;
  readonly ours: Spread;
  /** One for each peer that has the figure. */
  readonly comparisons: readonly Comparison[];
  readonly goal?: GoalState;
}

export interface Summary {
  readonly figures: readonly FigureSummary[];
  readonly peers: readonly string[];
  readonly rounds: number;
  /** The largest share of the machine that others used before a turn. */
  readonly others: number;
  /** A goal is missed, and no noise excuses it. */
  readonly red: boolean;
}

export function summarize(run: Run): Summary {
  const [ours, ...peers] = run.sides;
  if (ours === undefined) {
    throw new RangeError(`Cannot summarize ${run.benchmark} as it must have a side: there is none`);
  }
  const others = Math.max(0, ...run.others);
  const figures = run.figures.filter(({ name }) => ours.values[name] !== undefined).map((figure) => {
    const values = ours.values[figure.name]!;
    const comparisons = peers.filter(({ values }) => values[figure.name] !== undefined)
      .map(({ name, values: theirs }) => compare(name, figure.better, values, theirs[figure.name]!));
    const goal = figure.goal === undefined
      ? undefined
      : excused(figure.goal, others, goalState(figure.goal, figure.better, values, comparisons));
    return { figure, ours: spreadOf(values), comparisons, ...(goal !== undefined && { goal }) };
  });
  return {
    figures,
    peers: peers.map(({ name }) => name),
    rounds: Math.max(0, ...Object.values(ours.values).map((values) => values.length)),
    others,
    red: figures.some(({ goal }) => goal === "missed"),
  };
}

export function compare(peer: string, better: Better, ours: readonly number[], theirs: readonly number[]): Comparison {
  const ratios = pairedRatios(ours, theirs);
  const interval = widened(medianInterval(ratios));
  return { peer, ...interval, spread: spreadOf(theirs), ratio: median(ratios), verdict: verdictOf(interval, better) };
}

function widened({ low, high, confidence }: Interval): Interval {
  const factor = confidence < CONFIDENCE ? FEW_ROUNDS_FACTOR : 1;
  return { low: low / factor, high: high * factor, confidence };
}

/** Of an interval of ours ÷ theirs. */
export function verdictOf({ low, high }: Interval, better: Better): Verdict {
  if (low >= 1 / (1 + EQUAL_WITHIN) && high <= 1 + EQUAL_WITHIN) return "equal";
  if (low <= 1 && high >= 1) return "too noisy";
  return (high < 1) === (better === "less") ? "better" : "worse";
}

function goalState(
  goal: Goal,
  better: Better,
  ours: readonly number[],
  comparisons: readonly Comparison[],
): GoalState | undefined {
  const interval = "value" in goal ? widened(medianInterval(ours)) : comparisons.find(({ peer }) => peer === goal.of);
  // Without that peer there is nothing to reach.
  if (interval === undefined) return undefined;
  const bound = "value" in goal ? goal.value : goal.ratio;
  const [best, worst] = better === "less" ? [interval.low, interval.high] : [interval.high, interval.low];
  const reaches = (value: number) => better === "less" ? value <= bound : value >= bound;
  return reaches(worst) ? "met" : reaches(best) ? "open" : "missed";
}

/** What stands by itself is nobody's fault while others use the machine; what stands beside a peer has it as hard. */
function excused(goal: Goal, others: number, state: GoalState | undefined): GoalState | undefined {
  return "value" in goal && others > OTHERS_MAX && state === "missed" ? "open" : state;
}

function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), low: quantile(values, 0.25), high: quantile(values, 0.75) };
}
