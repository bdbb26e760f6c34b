import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { countOf, firstMissing, formatIndexes, has, indexesOf, overlap, parseIndexes, union } from "./intervals.ts";

const numbers = fc.uniqueArray(fc.nat(40));

Deno.test("two neighbours are written as two, more as a range", () => {
  equal(formatIndexes(indexesOf([7, 1, 2, 4, 5, 6])), "1,2,4-7");
  equal(formatIndexes([]), "");
});

Deno.test("what is read is what was written, below the number of completions", () => {
  deepEqual(parseIndexes("1,3-5,x,7", 5), [{ first: 1, last: 1 }, { first: 3, last: 4 }]);
  fc.assert(fc.property(numbers, fc.nat(45), (all, completions) => {
    const kept = indexesOf(all.filter((number) => number < completions));
    deepEqual(parseIndexes(formatIndexes(indexesOf(all)), completions), kept);
  }));
});

Deno.test("sets of intervals behave as sets", () => {
  fc.assert(fc.property(numbers, numbers, (a, b) => {
    const [x, y] = [indexesOf(a), indexesOf(b)];
    deepEqual(union(x, y), indexesOf(new Set([...a, ...b])));
    equal(countOf(x), a.length);
    equal(overlap(x, y), a.filter((number) => b.includes(number)).length);
    for (let index = 0; index < 45; index++) equal(has(x, index), a.includes(index));
  }));
});

Deno.test("what is missing is the lowest that is not there", () => {
  fc.assert(fc.property(numbers, fc.nat(10), fc.nat(45), (all, count, completions) => {
    const expected = Array.from({ length: completions }, (_, index) => index).filter((index) => !all.includes(index));
    deepEqual(firstMissing(indexesOf(all), count, completions), expected.slice(0, count));
  }));
});
