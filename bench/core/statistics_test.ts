import { equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { median, medianInterval, pairedRatios, quantile } from "./statistics.ts";

const values = fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 60 });

Deno.test("the median of an even number of values lies between the two in the middle", () => {
  equal(median([4, 1, 3, 2]), 2.5);
  equal(median([3, 1, 2]), 2);
  throws(() => median([]), RangeError);
});

Deno.test("a quantile is the value that so many do not exceed", () => {
  equal(quantile([4, 1, 3, 2], 0.5), 2);
  equal(quantile([4, 1, 3, 2], 0.95), 4);
  throws(() => quantile([], 0.5), RangeError);
});

Deno.test("six values are the fewest whose ends hold the median with 95 %", () => {
  equal(medianInterval([1, 2, 3, 4, 5]).confidence, 0.9375);
  equal(medianInterval([1, 2, 3, 4, 5, 6]).confidence, 0.96875);
});

Deno.test("the ends that the published table of the sign test gives are taken", () => {
  // n, and how many order statistics are left out at each end, for at least 95 %.
  for (const [count, cut] of [[8, 0], [9, 1], [11, 1], [12, 2], [15, 3], [20, 5], [25, 7], [50, 17]] as const) {
    const interval = medianInterval(Array.from({ length: count }, (_, index) => index));
    equal(interval.low, cut, `of ${count}`);
    equal(interval.high, count - 1 - cut, `of ${count}`);
    ok(interval.confidence >= 0.95);
  }
});

Deno.test("an interval holds the median of its values, and lies within them", () => {
  fc.assert(fc.property(values, (values) => {
    const { low, high, confidence } = medianInterval(values);
    ok(low <= median(values) && median(values) <= high);
    ok(Math.min(...values) <= low && high <= Math.max(...values));
    ok(confidence >= 0 && confidence <= 1);
  }));
});

Deno.test("an interval scales with its values, and does not care about their order", () => {
  fc.assert(fc.property(values, fc.integer({ min: 1, max: 8 }), (values, factor) => {
    const { low, high } = medianInterval(values);
    const scaled = medianInterval(values.toReversed().map((value) => value * factor));
    equal(scaled.low, low * factor);
    equal(scaled.high, high * factor);
  }));
});

Deno.test("of many intervals as many hold the true median as they say", () => {
  // Skewed, as times are; a fixed seed, so that this holds today as tomorrow.
  const random = generator(20261120);
  let held = 0;
  let said = 0;
  const tries = 4_000;
  for (let attempt = 0; attempt < tries; attempt++) {
    const sample = Array.from({ length: 9 }, () => -Math.log(1 - random()));
    const { low, high, confidence } = medianInterval(sample);
    said = confidence;
    if (low <= Math.LN2 && Math.LN2 <= high) held++;
  }
  ok(Math.abs(held / tries - said) < 0.01, `${held / tries} of the intervals, which say ${said}`);
});

Deno.test("ratios are of the rounds, and of nothing to nothing 1", () => {
  equal(pairedRatios([1, 4, 0], [2, 2, 0]).join(), "0.5,2,1");
  throws(() => pairedRatios([1], [1, 2]), RangeError);
});

/** Mulberry32. */
function generator(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
