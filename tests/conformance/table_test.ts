import { equal, match, ok as assert } from "node:assert/strict";
import type { Outcome, Result } from "./outcome.ts";
import { outcomeLines, stateLines } from "./progress.ts";
import { renderTable } from "./table.ts";

const outcome = (name: string, verdict: Outcome["verdict"], message?: string): Outcome => ({
  name,
  verdict,
  seconds: 12.4,
  at: "2026-11-20T12:00:00Z",
  commit: "abc1234",
  ...(message === undefined ? {} : { message }),
});

const outcomes = [
  outcome("[sig-apps] Job should run [Conformance]", "passed"),
  outcome("[sig-apps] StatefulSet should run [Conformance]", "failed", "not found"),
  outcome("[sig-node] Pods should <run> [Conformance]", "hopeless", "watchdog: `x` web-1234"),
];
const result: Result = {
  selection: "--sample 60",
  suite: "1.35.4",
  nodes: 2,
  parallel: 4,
  started: "2026-11-20T12:00:00.000Z",
  finished: "2026-11-20T12:10:00.000Z",
  seconds: 600,
  served: [],
  tests: [],
  outcomes,
};

Deno.test("the table counts, names causes, and groups the rest by message", () => {
  const table = renderTable({
    all: [...outcomes.map(({ name }) => name), "[sig-node] Pods should wait [Conformance]"],
    sample: [outcomes[0]!.name],
    outcomes: new Map(outcomes.map((outcome) => [outcome.name, outcome])),
    causes: [{ capability: "Stateful sets", tests: /StatefulSet/ }],
    history: [result],
  });
  match(table, /\| all \| 1 \| 2 \| 1 \| 4 \|/);
  match(table, /\| the sample \| 1 \| 0 \| 0 \| 1 \|/);
  match(table, /\| sig-apps \| 1 \| 1 \| 0 \|/);
  match(table, /### Stateful sets \(1\)\n\n- \[sig-apps\] StatefulSet should run\n/);
  match(table, /### 1 × `watchdog: 'x' web-N`\n\n- \[sig-node\] Pods should \\<run\\>\n/);
  match(table, /\| 2026-11-20 12:00 \| `--sample 60` \| 1 of 3 \| 10.0 \| 2 \| 4 \| abc1234 \|/);
});

Deno.test("progress names what failed and why, and what runs for how long", () => {
  const lines = outcomeLines(outcomes[2]!);
  equal(lines.length, 2);
  match(lines[0]!, /^HOPELESS +12 s {2}\[sig-node\] Pods should <run>$/);
  const state = { outcomes, running: new Map([["[sig-apps] B", 5_000], ["[sig-apps] A", 1_000]]), left: 2 };
  const [head, ...now] = stateLines({ ...state, secondsLeft: 100 }, 11_000);
  equal(head, "--- 1 passed, 2 failed, 2 left, about 2 min");
  assert(now[0]!.includes("10 s in [sig-apps] A") && now[1]!.includes("6 s in [sig-apps] B"));
});
