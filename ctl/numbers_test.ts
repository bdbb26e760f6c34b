import { equal, throws } from "node:assert/strict";
import { parseDuration, parseWholeNumber } from "./numbers.ts";

Deno.test("durations are read in seconds", () => {
  equal(parseDuration("90s"), 90);
  equal(parseDuration("1h30m"), 5400);
  equal(parseDuration("7d"), 604_800);
});

Deno.test("what is no duration is refused with an example", () => {
  for (const text of ["", "5", "5x", "h", "-1s", "1.5h", " 1s"]) {
    throws(() => parseDuration(text), /such as 24h: it is/);
  }
});

Deno.test("whole numbers are not negative, broken or empty", () => {
  equal(parseWholeNumber("--tail", "0"), 0);
  for (const text of ["", "-1", "1.5", "0x1", "1e3", "all"]) {
    throws(() => parseWholeNumber("--tail", text), /^Problem: --tail must be a whole number: it is/);
  }
});
