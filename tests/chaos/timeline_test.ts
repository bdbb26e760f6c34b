import { equal } from "node:assert/strict";
import { Timeline } from "./timeline.ts";

Deno.test("a timeline has faults and violations in the order of time, up to the last violation", () => {
  const timeline = new Timeline();
  const start = Date.UTC(2026, 0, 1);
  timeline.tell(start, "n1: server killed");
  timeline.tell(start + 9_000, "n2: agent killed");
  timeline.violation(start + 1_234, "a write is lost");
  equal(
    timeline.render(),
    [
      "from 2026-01-01T00:00:00.000Z on, seconds:",
      "    0.000     n1: server killed",
      "    1.234 !!! a write is lost",
    ].join("\n"),
  );
});

Deno.test("of many violations the first are shown, and the others counted", () => {
  const timeline = new Timeline();
  for (let index = 0; index < 50; index++) timeline.violation(index, "a write is lost");
  const lines = timeline.render().split("\n");
  equal(lines.length, 1 + 40 + 1);
  equal(lines.at(-1), "and 10 violations more");
});
