import { deepEqual as assertEquals } from "node:assert/strict";
import fc from "fast-check";
import {
  canonicalMicroTime,
  canonicalTime,
  checkedQuantity,
  durationText,
  microTimeText,
  parseDuration,
  splitTime,
  timeText,
} from "./scalars.ts";

Deno.test("times come out in UTC, and what is no time does not", () => {
  assertEquals(canonicalTime("2026-03-01T12:00:00Z"), "2026-03-01T12:00:00Z");
  assertEquals(canonicalTime("2026-03-01T12:00:00.9-02:30"), "2026-03-01T14:30:00Z");
  assertEquals(canonicalMicroTime("2026-03-01T12:00:00.1234567Z"), "2026-03-01T12:00:00.123456Z");
  for (
    const text of [
      "",
      "2026-03-01",
      "2026-13-01T00:00:00Z",
      "2026-02-30T00:00:00Z",
      "2026-02-30T00:00:00.5Z",
      "2026-03-01 12:00:00Z",
      "2026-03-01T12:00:00",
    ]
  ) {
    assertEquals([canonicalTime(text), canonicalMicroTime(text)], [undefined, undefined]);
  }
});

Deno.test("a time is the same after it was split", () => {
  const seconds = fc.integer({ min: -62135596799, max: 253402300799 });
  fc.assert(fc.property(seconds, fc.nat(999_999), (at, micros) => {
    assertEquals(splitTime(timeText(at)), { seconds: at, nanos: 0 });
    assertEquals(splitTime(microTimeText(at, micros * 1000)), { seconds: at, nanos: micros * 1000 });
  }));
});

Deno.test("durations are written as Go writes them and read back", () => {
  assertEquals([0, 1500, 2e7, 1.5e9, 3.6e12, 5.4e12].map(durationText), [
    "0s",
    "1.5µs",
    "20ms",
    "1.5s",
    "1h0m0s",
    "1h30m0s",
  ]);
  assertEquals(parseDuration("1h15m30.5s"), 4_530_500_000_000);
  assertEquals(["", "1", "h", "1x"].map(parseDuration), [undefined, undefined, undefined, undefined]);
  fc.assert(
    fc.property(fc.integer(), (millis) => assertEquals(parseDuration(durationText(millis * 1e6)), millis * 1e6)),
  );
});

Deno.test("a quantity that looks canonical at a glance is", () => {
  const texts = ["0", "1", "999", "100m", "128Mi", "1000m", "1024Ki", "0.5", "1e3", "10k"];
  assertEquals(texts.map(checkedQuantity), ["0", "1", "999", "100m", "128Mi", "1", "1Mi", "500m", "1e3", "10k"]);
  assertEquals(["", "m", "1K", "--1", "1 "].map(checkedQuantity), [
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});
