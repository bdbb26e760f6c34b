import { deepEqual as assertEquals, ok as assert, throws as assertThrows } from "node:assert/strict";
import fc from "fast-check";
import { resolveFenceposts, scaleIntOrPercent } from "./int_or_string.ts";

Deno.test("a percentage of the total is rounded as asked", () => {
  assertEquals(scaleIntOrPercent("25%", 10, "up"), 3);
  assertEquals(scaleIntOrPercent("25%", 10, "down"), 2);
  assertEquals(scaleIntOrPercent(4, 10, "up"), 4);
  assertThrows(() => scaleIntOrPercent("4", 10, "up"), RangeError);
});

Deno.test("surge is rounded up and unavailability down", () => {
  assertEquals(resolveFenceposts("25%", "25%", 10), { surge: 3, unavailable: 2 });
});

Deno.test("a rollout that may neither add nor take away may take away one", () => {
  assertEquals(resolveFenceposts("0%", "10%", 5), { surge: 0, unavailable: 1 });
});

Deno.test("whatever the limits, a rollout can go on and stays within them", () => {
  const limit = fc.oneof(fc.nat(50), fc.nat(100).map((percent) => `${percent}%`));
  fc.assert(fc.property(limit, limit, fc.nat(1000), (maxSurge, maxUnavailable, replicas) => {
    const { surge, unavailable } = resolveFenceposts(maxSurge, maxUnavailable, replicas);
    assert(surge + unavailable > 0);
    assert(Number.isInteger(surge) && Number.isInteger(unavailable));
  }));
});
