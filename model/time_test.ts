import { deepEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import fc from "fast-check";
import { ageOf, formatAge, formatMicroTime, formatTime, parseTime } from "./time.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

Deno.test("a time is whole seconds, a micro time microseconds, both in UTC", () => {
  assertEquals(formatTime(NOW + 999), "2026-01-01T00:00:00Z");
  assertEquals(formatMicroTime(NOW + 1.5), "2026-01-01T00:00:00.001500Z");
});

Deno.test("times are read with any offset and fraction", () => {
  assertEquals(parseTime("2026-01-01T01:00:00+01:00"), NOW);
  assertEquals(parseTime("2026-01-01T00:00:00.25Z"), NOW + 250);
});

Deno.test("what is no time is refused", () => {
  for (const text of ["", "2026-01-01", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00", "yesterday"]) {
    assertThrows(() => parseTime(text), RangeError, text);
  }
});

Deno.test("an age is as exact as is of use", () => {
  const ages: [number, string][] = [
    [0, "0s"],
    [119 * SECOND, "119s"],
    [2 * MINUTE, "2m"],
    [3 * MINUTE + 5 * SECOND, "3m5s"],
    [15 * MINUTE + 5 * SECOND, "15m"],
    [3 * HOUR + 4 * MINUTE, "3h4m"],
    [9 * HOUR + 4 * MINUTE, "9h"],
    [49 * HOUR, "2d1h"],
    [20 * DAY + HOUR, "20d"],
    [800 * DAY, "2y70d"],
    [9 * 365 * DAY, "9y"],
    [-500, "0s"],
    [-5 * SECOND, "<invalid>"],
  ];
  for (const [ms, text] of ages) assertEquals(formatAge(ms), text);
  assertEquals(ageOf(undefined, NOW), "<unknown>");
  assertEquals(ageOf(null, NOW), "<unknown>");
});

Deno.test("whatever the moment, writing and reading it loses no whole second", () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), (seconds) => {
    assertEquals(parseTime(formatTime(seconds * SECOND)), seconds * SECOND);
    assertEquals(parseTime(formatMicroTime(seconds * SECOND)), seconds * SECOND);
  }));
});
