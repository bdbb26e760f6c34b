import { deepEqual as assertEquals } from "node:assert/strict";
import { parseStat } from "./running.ts";

Deno.test("a process's state and start are read whatever it is called", () => {
  const rest = "S 1 10 10 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123456 1000 100";
  for (const name of ["init", "a b", "x) Z 2", "("]) {
    assertEquals(parseStat(`10 (${name}) ${rest}`), { state: "S", startTicks: 123456 });
  }
});
