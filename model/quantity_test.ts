import { deepEqual as assertEquals, ok as assert, throws as assertThrows } from "node:assert/strict";
import fc from "fast-check";
import {
  canonicalQuantity,
  formatQuantity,
  parseQuantity,
  quantityMilliValue,
  quantityValue,
  tryParseQuantity,
} from "./quantity.ts";

Deno.test("a quantity is written in its canonical form", () => {
  const forms = {
    "0.5": "500m",
    "1000m": "1",
    "1024Mi": "1Gi",
    "1.5Gi": "1536Mi",
    "1023Mi": "1023Mi",
    "1500": "1500",
    "1000000": "1M",
    "0.001": "1m",
    "2e3": "2e3",
    "0.1Ki": "102400m",
    "-0.5": "-500m",
    "0Gi": "0",
    "512": "512",
  };
  for (const [text, canonical] of Object.entries(forms)) assertEquals(canonicalQuantity(text), canonical, text);
});

Deno.test("what is finer than a billionth is rounded up", () => {
  assertEquals(canonicalQuantity("0.0000000001"), "1n");
  assertEquals(canonicalQuantity("-0.0000000001"), "-1n");
});

Deno.test("a value is in whole units and rounded up", () => {
  assertEquals(quantityValue(parseQuantity("1.5Gi")), 1536 * 1024 * 1024);
  assertEquals(quantityValue(parseQuantity("100m")), 1);
  assertEquals(quantityMilliValue(parseQuantity("0.25")), 250);
});

Deno.test("what is no quantity is refused", () => {
  for (const text of ["", "1.2.3", "1 Gi", "Gi", "1mi", "--1", "0x1", "1e", "NaN"]) {
    assertEquals(tryParseQuantity(text), undefined, text);
    assertThrows(() => parseQuantity(text), RangeError);
  }
});

Deno.test("quantities of different suffixes compare by value", () => {
  assert(parseQuantity("1Gi").nanos > parseQuantity("1G").nanos);
  assertEquals(parseQuantity("1000m").nanos, parseQuantity("1").nanos);
});

const quantity = fc.tuple(
  fc.integer({ min: -1_000_000, max: 1_000_000 }),
  fc.constantFrom("", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3"),
).map(([value, suffix]) => `${value}${suffix}`);

Deno.test("whatever the quantity, its canonical form has the same value and is canonical itself", () => {
  fc.assert(fc.property(quantity, (text) => {
    const parsed = parseQuantity(text);
    const canonical = formatQuantity(parsed);
    assertEquals(parseQuantity(canonical).nanos, parsed.nanos);
    assertEquals(canonicalQuantity(canonical), canonical);
  }));
});
