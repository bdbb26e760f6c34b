import { deepEqual as assertEquals, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { compareLines, unifiedDiff } from "./unified.ts";

const names = { before: "live/a", after: "merged/a" };
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => `${from + index}`);

Deno.test("texts that are the same have no difference", () => {
  equal(unifiedDiff("a\nb\n", "a\nb\n", names), "");
});

Deno.test("a change is shown with three lines around it", () => {
  const before = numbers(1, 9).join("\n") + "\n";
  equal(
    unifiedDiff(before, before.replace("5", "five"), names),
    [
      "--- live/a",
      "+++ merged/a",
      "@@ -2,7 +2,7 @@",
      " 2",
      " 3",
      " 4",
      "-5",
      "+five",
      " 6",
      " 7",
      " 8",
      "",
    ].join("\n"),
  );
});

Deno.test("changes that are far from each other have hunks of their own, which count their lines", () => {
  const before = numbers(1, 30).join("\n");
  const after = ["0", ...numbers(1, 19), ...numbers(21, 30)].join("\n");
  const heads = unifiedDiff(before, after, names).split("\n").filter((line) => line.startsWith("@@"));
  assertEquals(heads, ["@@ -1,3 +1,4 @@", "@@ -17,7 +18,6 @@"]);
});

Deno.test("what is new or gone as a whole begins at line 0", () => {
  equal(unifiedDiff("", "a\nb\n", names).split("\n")[2], "@@ -0,0 +1,2 @@");
  equal(unifiedDiff("a\n", "", names).split("\n")[2], "@@ -1 +0,0 @@");
});

Deno.test("the edits lead from one text to the other, in no more steps than needed", () => {
  const text = fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 30 });
  fc.assert(
    fc.property(text, text, (before, after) => {
      const edits = compareLines(before, after);
      assertEquals(edits.filter(({ type }) => type !== "+").map(({ line }) => line), before);
      assertEquals(edits.filter(({ type }) => type !== "-").map(({ line }) => line), after);
      equal(edits.filter(({ type }) => type === " ").length, longestCommon(before, after));
    }),
  );
});

Deno.test("texts that have nothing in common are compared in time", () => {
  const started = performance.now();
  const edits = compareLines(numbers(1, 20_000), numbers(20_001, 40_000));
  equal(edits.length, 40_000);
  ok(performance.now() - started < 20_000);
});

function longestCommon(a: readonly string[], b: readonly string[]): number {
  const table = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      table[i]![j] = a[i - 1] === b[j - 1] ? table[i - 1]![j - 1]! + 1 : Math.max(table[i - 1]![j]!, table[i]![j - 1]!);
    }
  }
  return table[a.length]![b.length]!;
}
