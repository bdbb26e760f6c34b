import { equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { growthOf } from "./flat.ts";

Deno.test("a saw-tooth that returns to its floor is flat, one whose floor rises is not", () => {
  const teeth = Array.from({ length: 100 }, (_, index) => 60 + (index % 10) * 4);
  equal(growthOf(teeth).isFlat, true);
  equal(growthOf(teeth.map((size, index) => size + index * 0.2)).isFlat, false);
});

Deno.test("warming up is not growth", () => {
  equal(growthOf(Array.from({ length: 50 }, (_, index) => Math.min(80, 40 + index * 4))).isFlat, true);
});

Deno.test("too few samples tell nothing", () => {
  throws(() => growthOf([1, 2, 3]), /ten samples/);
});

Deno.test("a slow leak below any noise is found when it lasts", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 5, noNaN: true }), { minLength: 100, maxLength: 100 }), (noise) => {
      equal(growthOf(noise.map((each, index) => 50 + each + index * 0.3)).isFlat, false);
    }),
  );
});
