/** What a benchmark is: figures that two or more sides are measured by, taking turns. Pure. */

/** Which way is good. */
export type Better = "less" | "more";

/**
 * What must hold of our side, or the benchmark is red: against a peer, ours ÷ the peer's is at most this (where less is
 * better) or at least this (where more is); by itself, so is our median.
 */
export type Goal = { readonly ratio: number; readonly of: string } | { readonly value: number };

export interface Figure {
  /** Unique within its benchmark, such as "get ConfigMap, JSON, 16 in flight". */
  readonly name: string;
  readonly unit: string;
  readonly better: Better;
  readonly goal?: Goal;
}

/** Numbers and words that decide what a benchmark does; told with its figures. */
export type Parameters = Readonly<Record<string, number>>;

/** A figure's value, by the figure's name. A side may leave figures out that it does not have. */
export type Sample = Readonly<Record<string, number>>;

/** One of those who take turns. */
export interface Side {
  /** As tables name it. */
  readonly name: string;
  /** Measures once, by all figures. */
  measure(): Promise<Sample>;
}

/** How a benchmark is to be run. */
export interface Setting {
  readonly parameters: Parameters;
  /** False when our side is compared with itself: then no peer is needed. */
  readonly peers: boolean;
  /** Tells people what takes time. */
  readonly say: (line: string) => void;
}

/** Sides that are ready to be measured, ours first. What they run ends when they are disposed of. */
export interface Sides extends AsyncDisposable {
  readonly sides: readonly [Side, ...Side[]];
}

export interface Benchmark {
  readonly name: string;
  /** What is measured, and in what the sides are alike and differ. */
  readonly what: string;
  /** Turns that each side has, after one that does not count; @see MIN_ROUNDS */
  readonly rounds: number;
  readonly figures: readonly Figure[];
  readonly parameters: Parameters;
  /** Instead of those above, where it only matters that it works. */
  readonly quick: Parameters;
  open(setting: Setting): Promise<Sides>;
}

/** With fewer, no interval of the median has a confidence of 95 %. */
export const MIN_ROUNDS = 6;

/** Turns of each side in a quick run. */
export const QUICK_ROUNDS = 3;

/** What was measured, once and for all: written to the history, read by all that render. */
export interface Run {
  readonly benchmark: string;
  readonly what: string;
  /** ISO 8601. */
  readonly at: string;
  readonly machine: string;
  readonly command: string;
  /** Of the sources, with "+" when they had changes; empty when that is not known. */
  readonly commit: string;
  readonly quick: boolean;
  readonly parameters: Parameters;
  readonly figures: readonly Figure[];
  /** Share of the machine (0 to 1) that others used right before each turn, while all sides were at rest. */
  readonly others: readonly number[];
  /** The load average of the last minute at the beginning of each round: that of the sides is in it. */
  readonly loads: readonly number[];
  /** In the order of their turns, ours first; one value a round. */
  readonly sides: readonly { readonly name: string; readonly values: Readonly<Record<string, readonly number[]>> }[];
}
