import { equal, match, ok } from "node:assert/strict";
import type { Run } from "./benchmark.ts";
import { renderDocument, renderMarkdown, renderTerminal, round } from "./render.ts";

const RUN: Run = {
  benchmark: "demo",
  what: "Says how it looks.",
  at: "2026-02-03T04:05:06Z",
  machine: "2 × cores",
  command: "deno task bench demo",
  commit: "abc1234",
  quick: false,
  parameters: { objects: 10_000 },
  figures: [
    { name: "fast", unit: "ms", better: "less", goal: { ratio: 0.9, of: "peer" } },
    { name: "slow", unit: "1/s", better: "more", goal: { ratio: 6, of: "peer" } },
    { name: "alone", unit: "MB", better: "less" },
  ],
  others: [0.02, 0.31],
  loads: [0.5, 0.6],
  sides: [
    { name: "k3ts", values: { fast: [1, 1, 1, 1, 1, 1], slow: [50, 51, 52, 50, 51, 52], alone: [7, 7, 7, 7, 7, 7] } },
    { name: "peer", values: { fast: [2, 2, 2, 2, 2, 2], slow: [90, 10, 90, 10, 90, 10] } },
  ],
};

Deno.test("numbers show three digits or so", () => {
  equal(
    [1234567, 1234.5, 123.4, 12.34, 1.234, 0.1234, 0].map(round).join(" "),
    "1,234,567 1,235 123 12.3 1.23 0.123 0.00",
  );
});

Deno.test("a terminal shows verdicts, goals and who else used the machine", () => {
  const text = renderTerminal(RUN);
  match(
    text,
    /fast +ms +1\.00 \(1\.00–1\.00\) +2\.00 \(2\.00–2\.00\) +0\.500 \(0\.500–0\.500\) +better +≤ 0\.900 × peer: met/,
  );
  match(text, /slow .* too noisy +≥ 6\.00 × peer: RED/);
  match(text, /alone +MB +7\.00 \(7\.00–7\.00\) +–$/m);
  match(text, /6 rounds; objects 10,000\./);
  match(text, /Others used up to 31 %/);
});

Deno.test("Markdown has the command, the commit and the machine", () => {
  const text = renderMarkdown(RUN);
  match(text, /^\| fast \| ms \|/m);
  match(text, /\*\*RED\*\*/);
  match(text, /`deno task bench demo`, 2026-02-03, abc1234, on 2 × cores\./);
});

Deno.test("a quick run says that it is one, and how little it is sure", () => {
  const few = RUN.sides.map(({ name, values }) => ({
    name,
    values: Object.fromEntries(Object.entries(values).map(([figure, all]) => [figure, all.slice(0, 3)])),
  }));
  const text = renderTerminal({ ...RUN, quick: true, sides: few });
  match(text, /demo \(quick/);
  match(text, /interval of 75 % only/);
});

Deno.test("the document holds each benchmark once", () => {
  const text = renderDocument([RUN, { ...RUN, benchmark: "other" }]);
  ok(text.startsWith("# Benchmarks\n"));
  equal(text.match(/^## /gm)?.length, 2);
});
