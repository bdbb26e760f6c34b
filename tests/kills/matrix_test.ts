import { deepEqual, equal, notDeepEqual } from "node:assert/strict";
import { allRounds, PROCESSES, shuffled } from "./matrix.ts";

Deno.test("every process dies alone, with every other one, and with all", () => {
  const rounds = allRounds().map((round) => [...round].sort().join(" "));
  equal(new Set(rounds).size, 6 + 15 + 1);
  for (const one of PROCESSES) {
    equal(rounds.filter((round) => round.split(" ").includes(one)).length, 1 + 5 + 1);
  }
});

Deno.test("a seed decides the order, and loses nothing", () => {
  const rounds = allRounds();
  deepEqual(shuffled(rounds, 7), shuffled(rounds, 7));
  notDeepEqual(shuffled(rounds, 7), shuffled(rounds, 8));
  deepEqual(new Set(shuffled(rounds, 7)), new Set(rounds));
});
