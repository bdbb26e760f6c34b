import { equal, throws } from "node:assert/strict";
import { parseDuration, parseTimeout, parseWholeNumber } from "./numbers.ts";

Deno.test("durations are read in seconds", () => {
  equal(parseDuration("--ttl", "90s"), 90);
  equal(parseDuration("--ttl", "1h30m"), 5400);
  equal(parseDuration("--ttl", "7d"), 604_800);
});

Deno.test("what is no duration is refused with an example", () => {
  for (const text of ["", "5", "5x", "h", "-1s", "1.5h", " 1s"]) {
    throws(() => parseDuration("--ttl", text), /^Problem: --ttl must be a duration such as 30s, 5m or 24h: it is/);
  }
  throws(() => parseTimeout("--timeout", "1"), /^Problem: --timeout must be a duration such as 30s or 5m, or 0: it is/);
  equal(parseTimeout("--timeout", "0"), 0);
});

Deno.test("whole numbers are not negative, broken or empty", () => {
  equal(parseWholeNumber("--tail", "0"), 0);
  for (const text of ["", "-1", "1.5", "0x1", "1e3", "all"]) {
    throws(() => parseWholeNumber("--tail", text), /^Problem: --tail must be a whole number: it is/);
  }
});

Deno.test("numbers and durations that the API cannot hold are refused", () => {
  throws(() => parseWholeNumber("--tail", "9".repeat(20)), /^Problem: --tail must be at most 9007199254740991: it is/);
  throws(() => parseDuration("--ttl", "106752d"), /^Problem: --ttl must be shorter than 106751d: it is "106752d"/);
  equal(parseDuration("--ttl", "106751d"), 106_751 * 86_400);
});
