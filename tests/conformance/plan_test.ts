import { deepEqual, equal, ok as assert } from "node:assert/strict";
import fc from "fast-check";
import type { Outcome } from "./outcome.ts";
import { nextTests, runsAlone, secondsLeft, type Situation } from "./plan.ts";

const known = (seconds: Record<string, number>) =>
  new Map<string, Outcome>(
    Object.entries(seconds).map((
      [name, seconds],
    ) => [name, { name, seconds, verdict: "passed", at: "", commit: "" }]),
  );

const situation = (given: Partial<Situation>): Situation => ({
  tests: [],
  done: new Set(),
  running: new Set(),
  parallel: 2,
  known: new Map(),
  lacks: () => false,
  ...given,
});

Deno.test("the longest tests are started first, those of unknown length in the middle", () => {
  const tests = ["short", "new", "long"];
  deepEqual(nextTests(situation({ tests, parallel: 3, known: known({ short: 2, long: 200 }) })), [
    "long",
    "new",
    "short",
  ]);
});

Deno.test("a test that is known to take minutes need not have run for that", () => {
  const long = "[sig-apps] StatefulSet should scale";
  deepEqual(nextTests(situation({ tests: ["new", long], known: new Map() })), [long, "new"]);
});

Deno.test("what cannot pass comes last", () => {
  const tests = ["lacking", "long", "short"];
  const lacks = (name: string) => name === "lacking";
  deepEqual(nextTests(situation({ tests, parallel: 3, lacks, known: known({ lacking: 900, long: 9, short: 1 }) })), [
    "long",
    "short",
    "lacking",
  ]);
});

Deno.test("a test of its own waits until nothing else runs or is left", () => {
  const tests = ["a [Serial]", "b"];
  deepEqual(nextTests(situation({ tests })), ["b"]);
  deepEqual(nextTests(situation({ tests, running: new Set(["b"]) })), []);
  deepEqual(nextTests(situation({ tests, done: new Set(["b"]) })), ["a [Serial]"]);
});

Deno.test("all tests are run once, never more at once than may be, and the suite's serial ones alone", () => {
  const name = fc.tuple(fc.nat(99), fc.constantFrom("", " [Serial]", " [Disruptive]")).map((parts) => parts.join(""));
  const arbitrary = fc.record({
    tests: fc.uniqueArray(name, { maxLength: 30 }),
    parallel: fc.integer({ min: 1, max: 5 }),
    picks: fc.array(fc.nat(), { minLength: 60, maxLength: 60 }),
  });
  fc.assert(fc.property(arbitrary, ({ tests, parallel, picks }) => {
    const [done, running] = [new Set<string>(), new Set<string>()];
    for (const pick of picks) {
      for (const next of nextTests(situation({ tests, parallel, done, running }))) {
        assert(!done.has(next) && !running.has(next));
        running.add(next);
      }
      assert(running.size <= parallel);
      assert(running.size === 1 || ![...running].some(runsAlone));
      if (running.size === 0) break;
      const ends = [...running][pick % running.size]!;
      running.delete(ends);
      done.add(ends);
    }
    equal(done.size, tests.length);
  }));
});

Deno.test("the estimate counts serial tests one by one and is no shorter than the longest test", () => {
  const tests = ["a", "b", "c [Serial]"];
  equal(secondsLeft(situation({ tests, known: known({ a: 10, b: 20, "c [Serial]": 5 }) })), 25);
  equal(secondsLeft(situation({ tests, done: new Set(["b"]), known: known({ a: 10, "c [Serial]": 5 }) })), 15);
});
