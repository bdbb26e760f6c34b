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

Deno.test("of many violations the first are shown, those with the same words once, and the others counted", () => {
  const told: string[] = [];
  const timeline = new Timeline((text) => told.push(text));
  for (let index = 0; index < 50; index++) {
    timeline.violation(index, `write ${index} is lost`);
    timeline.violation(index + 1, `write ${index} is lost`);
  }
  const lines = timeline.render().split("\n");
  equal(lines.length, 1 + 40 + 1);
  equal(lines[1], "    0.000 !!! write 0 is lost (and 1 times more)");
  equal(lines.at(-1), "and 10 other violations");
  equal(told.length, 50);
});
