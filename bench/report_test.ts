import { equal, throws } from "node:assert/strict";
import { quantile, render, round } from "./report.ts";

Deno.test("a quantile is a value that was measured", () => {
  equal(quantile([5], 0.5), 5);
  equal(quantile([4, 1, 3, 2], 0.5), 2);
  equal(quantile([4, 1, 3, 2], 0.95), 4);
  throws(() => quantile([], 0.5), RangeError);
});

Deno.test("numbers show three digits or so", () => {
  equal([1234.5, 12.34, 1.234, 0.1234].map(round).join(" "), "1235 12.3 1.23 0.12");
});

Deno.test("a table aligns names to the left and numbers to the right", () => {
  equal(
    render({ title: "T", columns: ["what", "ms"], rows: [["a", 1], ["long name", "22.5"]], notes: ["Said so."] }),
    "T\n  what         ms\n  a             1\n  long name  22.5\n  Said so.",
  );
});
