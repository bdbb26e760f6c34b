import { equal, match } from "node:assert/strict";
import { limitSeconds } from "./limits.ts";
import type { Outcome } from "./outcome.ts";
import { hopeless } from "./watchdog.ts";

const quiet = { startedMs: 0, limitSeconds: 240, repeated: undefined };

Deno.test("a test may be silent up to its limit", () => {
  equal(hopeless(quiet, 240_000), undefined);
  match(hopeless(quiet, 240_001)!, /not over after 240 s/);
});

Deno.test("a resource that is not there is not waited for", () => {
  const repeated = { line: "the server could not find the requested resource", count: 12, sinceMs: 5_000 };
  equal(hopeless({ ...quiet, repeated }, 25_000), undefined);
  match(hopeless({ ...quiet, repeated }, 26_000)!, /has waited 21 s for the same/);
});

Deno.test("a wait is only hopeless when it was asked again and again", () => {
  const repeated = { line: "the server could not find the requested resource", count: 2, sinceMs: 0 };
  equal(hopeless({ ...quiet, repeated }, 60_000), undefined);
});

Deno.test("a test that watches that nothing happens is left alone", () => {
  const repeated = { line: "Restart count of pod is N", count: 100, sinceMs: 0 };
  equal(hopeless({ ...quiet, repeated }, 239_000), undefined);
});

Deno.test("a pod that stays Pending ends its test before the limit", () => {
  const repeated = { line: 'Pod "p": Phase="Pending", readiness=false. Elapsed: Ns', count: 60, sinceMs: 10_000 };
  equal(hopeless({ ...quiet, repeated }, 120_000), undefined);
  match(hopeless({ ...quiet, repeated }, 131_000)!, /has waited 121 s/);
});

const passed: Outcome = { name: "a", verdict: "passed", seconds: 300, at: "", commit: "" };

Deno.test("known long tests have longer limits, and those that lack something short ones", () => {
  const long = "[sig-apps] CronJob should not schedule jobs when suspended [Slow] [Conformance]";
  equal(limitSeconds("[sig-apps] Deployment should work", undefined, false), 240);
  equal(limitSeconds(long, undefined, false) > 240, true);
  equal(limitSeconds(long, undefined, true) < 240, true);
});

Deno.test("a test that once passed slowly may be slow again", () => {
  equal(limitSeconds("a", passed, false), 1_200);
  equal(limitSeconds("a", { ...passed, verdict: "hopeless" }, false), 240);
});
