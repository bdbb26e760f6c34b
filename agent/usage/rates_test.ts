import { deepEqual, equal } from "node:assert/strict";
import { Rates } from "./rates.ts";

Deno.test("a rate is what was used between two looks", () => {
  const rates = new Rates();
  equal(rates.next("a", 1e9, 0), undefined);
  // A quarter of a core for ten seconds.
  deepEqual(rates.next("a", 1e9 + 2.5e9, 10_000), { nanocores: 250_000_000, windowMs: 10_000 });
});

Deno.test("what has just started is averaged from its start", () => {
  deepEqual(new Rates().next("a", 2e9, 5_000, 1_000), { nanocores: 500_000_000, windowMs: 4_000 });
});

Deno.test("a look that comes too soon hears what was said last", () => {
  const rates = new Rates();
  rates.next("a", 0, 0);
  const said = rates.next("a", 1e9, 2_000);
  deepEqual(rates.next("a", 5e9, 2_500), said);
  // And is not the beginning of the next.
  deepEqual(rates.next("a", 3e9, 4_000), { nanocores: 1_000_000_000, windowMs: 2_000 });
});

Deno.test("time that went backwards is of another life, and what is not kept is forgotten", () => {
  const rates = new Rates();
  rates.next("a", 5e9, 0);
  equal(rates.next("a", 1e9, 10_000), undefined);
  deepEqual(rates.next("a", 2e9, 20_000), { nanocores: 100_000_000, windowMs: 10_000 });
  rates.keep(new Set());
  equal(rates.next("a", 3e9, 30_000), undefined);
});
