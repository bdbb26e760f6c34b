import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import type { Better, Figure, Goal, Run } from "./benchmark.ts";
import { compare, summarize, verdictOf } from "./summary.ts";

const samples = fc.array(fc.double({ min: 0.01, max: 1e4, noNaN: true }), { minLength: 6, maxLength: 20 });
const both = fc.constantFrom<Better>("less", "more");

function runOf(ours: number[], theirs: number[], figure: Partial<Figure> = {}): Run {
  return {
    benchmark: "b",
    what: "w",
    at: "2026-01-01T00:00:00Z",
    machine: "m",
    command: "c",
    commit: "",
    quick: false,
    parameters: {},
    figures: [{ name: "f", unit: "ms", better: "less", ...figure }],
    others: [0],
    loads: [],
    sides: [{ name: "k3ts", values: { f: ours } }, { name: "peer", values: { f: theirs } }],
  };
}

function goalOf(goal: Goal, ours: number[], better: Better = "less", others = 0) {
  const run = runOf(ours, ours.map(() => 10), { goal, better });
  const { figures, red } = summarize({ ...run, others: [0, others] });
  return [figures[0]!.goal, red];
}

Deno.test("a side is better or worse only when the whole interval says so", () => {
  const interval = (low: number, high: number) => ({ low, high, confidence: 0.95 });
  equal(verdictOf(interval(0.5, 0.9), "less"), "better");
  equal(verdictOf(interval(0.5, 0.9), "more"), "worse");
  equal(verdictOf(interval(1.1, 2), "less"), "worse");
  equal(verdictOf(interval(1.1, 2), "more"), "better");
  equal(verdictOf(interval(0.97, 1.03), "less"), "equal");
  equal(verdictOf(interval(1.01, 1.04), "less"), "equal");
  equal(verdictOf(interval(0.8, 1.2), "less"), "too noisy");
});

Deno.test("a side compared with itself is equal", () => {
  fc.assert(fc.property(samples, both, (values, better) => {
    const { ratio, verdict } = compare("peer", better, values, values);
    equal(ratio, 1);
    equal(verdict, "equal");
  }));
});

Deno.test("what is better in one direction is worse in the other", () => {
  const opposite = { better: "worse", worse: "better", equal: "equal", "too noisy": "too noisy" };
  fc.assert(fc.property(samples, samples, (one, other) => {
    const rounds = Math.min(one.length, other.length);
    const [ours, theirs] = [one.slice(0, rounds), other.slice(0, rounds)];
    equal(compare("p", "more", ours, theirs).verdict, opposite[compare("p", "less", ours, theirs).verdict]);
  }));
});

Deno.test("what slows down both sides of a round changes no ratio", () => {
  fc.assert(fc.property(samples, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 20 }), (ours, factors) => {
    const theirs = ours.map((value) => value * 2);
    const slowed = (values: number[]) => values.map((value, round) => value * factors[round]!);
    equal(compare("p", "less", slowed(ours), slowed(theirs)).verdict, "better");
  }));
});

Deno.test("a goal is missed only beyond noise", () => {
  deepEqual(goalOf({ ratio: 1, of: "peer" }, [9, 8, 7, 9, 8, 9]), ["met", false]);
  deepEqual(goalOf({ ratio: 1, of: "peer" }, [9, 8, 12, 9, 8, 9]), ["open", false]);
  deepEqual(goalOf({ ratio: 1, of: "peer" }, [11, 12, 13, 11, 12, 13]), ["missed", true]);
  deepEqual(goalOf({ ratio: 2, of: "peer" }, [11, 12, 13, 11, 12, 13], "more"), ["missed", true]);
  deepEqual(goalOf({ value: 5 }, [4, 4, 4, 4, 4, 4]), ["met", false]);
  deepEqual(goalOf({ value: 5 }, [6, 7, 6, 7, 6, 7]), ["missed", true]);
});

Deno.test("a machine that others use excuses what stands by itself, not what stands beside a peer", () => {
  deepEqual(goalOf({ value: 5 }, [6, 7, 6, 7, 6, 7], "less", 0.5), ["open", false]);
  deepEqual(goalOf({ value: 5 }, [4, 4, 4, 4, 4, 4], "less", 0.5), ["met", false]);
  deepEqual(goalOf({ ratio: 1, of: "peer" }, [11, 12, 13, 11, 12, 13], "less", 0.5), ["missed", true]);
});

Deno.test("few rounds show only what is far away", () => {
  deepEqual(goalOf({ ratio: 1, of: "peer" }, [15, 16, 17]), ["open", false]);
  deepEqual(goalOf({ ratio: 1, of: "peer" }, [25, 26, 27]), ["missed", true]);
  equal(compare("p", "less", [15, 16, 17], [10, 10, 10]).verdict, "too noisy");
  equal(compare("p", "less", [25, 26, 27], [10, 10, 10]).verdict, "worse");
});

Deno.test("a goal against a peer that was not there is none", () => {
  deepEqual(goalOf({ ratio: 1, of: "nobody" }, [99, 99, 99, 99, 99, 99]), [undefined, false]);
});

Deno.test("a figure that a side does not have is not compared with it", () => {
  const run = runOf([1, 1, 1], [1, 1, 1]);
  const { figures } = summarize({ ...run, sides: [run.sides[0]!, { name: "peer", values: {} }] });
  equal(figures[0]!.comparisons.length, 0);
});
