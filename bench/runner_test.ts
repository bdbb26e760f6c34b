import { deepEqual, equal, rejects } from "node:assert/strict";
import type { Benchmark, Sample } from "./core/benchmark.ts";
import { type Options, runBenchmark } from "./runner.ts";

function benchmarkOf(turns: string[], sample: (side: string, turn: number) => Sample): Benchmark & { ended: boolean } {
  const benchmark = {
    name: "demo",
    what: "",
    rounds: 6,
    figures: [{ name: "f", unit: "ms", better: "less" as const, goal: { ratio: 1, of: "peer" } }],
    parameters: { size: 10 },
    quick: { size: 1 },
    ended: false,
    open: ({ peers }: { peers: boolean }) => {
      const side = (name: string) => ({
        name,
        measure: () => {
          turns.push(name);
          return Promise.resolve(sample(name, turns.length));
        },
      });
      return Promise.resolve({
        sides: (peers ? [side("k3ts"), side("peer")] : [side("k3ts")]) as [ReturnType<typeof side>],
        [Symbol.asyncDispose]: () => {
          benchmark.ended = true;
          return Promise.resolve();
        },
      });
    },
  };
  return benchmark;
}

const OPTIONS: Options = {
  quick: true,
  self: false,
  parameters: {},
  command: "demo",
  say: () => {},
  signal: new AbortController().signal,
};

Deno.test("sides take turns, and the first round does not count", async () => {
  const turns: string[] = [];
  const benchmark = benchmarkOf(turns, (_, turn) => ({ f: turn }));
  const run = await runBenchmark(benchmark, { ...OPTIONS, rounds: 2 });
  equal(turns.join(" "), "k3ts peer k3ts peer k3ts peer");
  deepEqual(run.sides, [{ name: "k3ts", values: { f: [3, 5] } }, { name: "peer", values: { f: [4, 6] } }]);
  deepEqual([run.parameters.size, run.others.length, benchmark.ended], [1, 4, true]);
});

Deno.test("compared with itself our side has two turns, and nothing to reach", async () => {
  const run = await runBenchmark(benchmarkOf([], () => ({ f: 1 })), { ...OPTIONS, self: true });
  deepEqual(run.sides.map(({ name }) => name), ["k3ts", "k3ts again"]);
  equal(run.figures[0]!.goal, undefined);
});

Deno.test("a benchmark ends what it has started when a turn fails, lacks a figure, or nobody waits any longer", async () => {
  const ending = new AbortController();
  const cases: [Benchmark & { ended: boolean }, RegExp][] = [
    [benchmarkOf([], () => ({ f: NaN })), /must be a number of at least 0: it is NaN/],
    [benchmarkOf([], (_, turn): Sample => turn === 3 ? {} : { f: 1 }), /must be in all 3 rounds: it is in 2/],
    [
      benchmarkOf([], (_, turn) => {
        if (turn === 4) ending.abort(new Error("enough"));
        return { f: 1 };
      }),
      /enough/,
    ],
  ];
  for (const [benchmark, why] of cases) {
    await rejects(runBenchmark(benchmark, { ...OPTIONS, signal: ending.signal }), why);
    equal(benchmark.ended, true);
  }
});

Deno.test("a parameter that a benchmark does not have is refused", async () => {
  const options = { ...OPTIONS, parameters: { weight: 3 } };
  await rejects(runBenchmark(benchmarkOf([], () => ({})), options), /must be one of its parameters: size/);
});
