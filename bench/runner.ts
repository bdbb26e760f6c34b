/** Runs a benchmark: its sides take turns, round after round. */
import { commitOfSources } from "@k3ts/tools/commit";
import {
  type Benchmark,
  type Figure,
  MIN_ROUNDS,
  type Parameters,
  QUICK_ROUNDS,
  type Run,
  type Side,
} from "./core/benchmark.ts";
import { busyShare, describeMachine, loadAverage } from "./machine.ts";

export interface Options {
  /** @default what the benchmark says, or {@link QUICK_ROUNDS} */
  rounds?: number;
  /** To see that it works. */
  quick: boolean;
  /** Our side twice, instead of the peers: what is found then is noise. */
  self: boolean;
  /** Instead of some of the benchmark's. */
  parameters: Parameters;
  /** As it was typed. */
  command: string;
  say: (line: string) => void;
  signal: AbortSignal;
}

export async function runBenchmark(benchmark: Benchmark, options: Options): Promise<Run> {
  const { quick, self, say, signal, command } = options;
  const rounds = options.rounds ?? (quick ? QUICK_ROUNDS : Math.max(MIN_ROUNDS, benchmark.rounds));
  const parameters = parametersOf(benchmark, options);
  const about = { at: new Date().toISOString(), machine: await describeMachine(), commit: await commitOfSources() };
  say(`${benchmark.name}: starts`);
  const aborted = whenAborted(signal);
  // Who does not wait for it leaves what it has started so far to the next run, which sweeps up after dead ones.
  await using opened = await Promise.race([benchmark.open({ parameters, peers: !self, say }), aborted]);
  const sides = self ? twice(opened.sides[0]) : opened.sides;
  const others: number[] = [];
  const loads: number[] = [];
  const values = sides.map((): Record<string, number[]> => ({}));
  // The first round warms up what compiles, caches and grows.
  for (let round = 0; round <= rounds; round++) {
    if (round > 0) loads.push(await loadAverage());
    for (const [index, side] of sides.entries()) {
      signal.throwIfAborted();
      const busy = await busyShare(signal);
      const begin = performance.now();
      const sample = await Promise.race([side.measure(), aborted]);
      const seconds = ((performance.now() - begin) / 1000).toFixed(1);
      say(`${benchmark.name}: round ${round} of ${rounds}, ${side.name}, ${seconds} s`);
      if (round === 0) continue;
      others.push(Math.round(busy * 1000) / 1000);
      for (const [name, value] of Object.entries(sample)) (values[index]![name] ??= []).push(checked(name, value));
    }
  }
  for (const [index, side] of sides.entries()) refuseGaps(side, values[index]!, rounds);
  return {
    benchmark: benchmark.name,
    what: benchmark.what,
    ...about,
    command,
    quick,
    parameters,
    figures: self ? benchmark.figures.map(withoutGoal) : benchmark.figures,
    others,
    loads,
    sides: sides.map(({ name }, index) => ({ name, values: values[index]! })),
  };
}

function parametersOf({ name, parameters, quick }: Benchmark, options: Options): Parameters {
  for (const key of Object.keys(options.parameters)) {
    if (parameters[key] === undefined) {
      const known = Object.keys(parameters).join(", ") || "none";
      throw new RangeError(`Cannot set ${key} of the benchmark ${name} as it must be one of its parameters: ${known}`);
    }
  }
  return { ...parameters, ...options.quick && quick, ...options.parameters };
}

function twice(side: Side): [Side, Side] {
  return [side, { name: `${side.name} again`, measure: () => side.measure() }];
}

/** What is compared with itself has nothing to reach. */
function withoutGoal({ name, unit, better }: Figure): Figure {
  return { name, unit, better };
}

/** Five digits are more than any figure is good for, and keep the history small. */
function checked(name: string, value: number): number {
  if (!Number.isFinite(value) || value < 0) {
    throw new RangeError(`Cannot count a sample of "${name}" as it must be a number of at least 0: it is ${value}`);
  }
  return Number(value.toPrecision(5));
}

/** Rounds are compared one by one: each must have all that the others have. */
function refuseGaps({ name }: Side, values: Record<string, number[]>, rounds: number): void {
  for (const [figure, all] of Object.entries(values)) {
    if (all.length !== rounds) {
      throw new Error(
        `Cannot compare "${figure}" of ${name} as it must be in all ${rounds} rounds: it is in ${all.length}`,
      );
    }
  }
}

/** Rejects when it is aborted, never resolves. */
function whenAborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  promise.catch(() => {}); // nobody need be waiting
  return promise;
}
