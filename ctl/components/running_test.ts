import { equal } from "node:assert/strict";
import { parseStartTicks } from "./running.ts";

Deno.test("a process's start is read whatever it is called", () => {
  const rest = "S 1 10 10 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123456 1000 100";
  for (const name of ["init", "a b", "x) S 2", "("]) equal(parseStartTicks(`10 (${name}) ${rest}`), 123456);
});
