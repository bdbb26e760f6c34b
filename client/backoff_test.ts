import { equal, ok as assert, rejects } from "node:assert/strict";
import fc from "fast-check";
import { backoffMs, delay, Pause } from "./backoff.ts";

Deno.test("the ceiling of a backoff doubles up to its most", () => {
  const random = () => 0.5;
  equal(backoffMs(1, { initialMs: 100, random }), 50);
  equal(backoffMs(3, { initialMs: 100, random }), 200);
  equal(backoffMs(60, { initialMs: 100, maxMs: 5000, random }), 2500);
});

Deno.test("a backoff is never negative, endless or beyond its most", () => {
  fc.assert(fc.property(fc.nat(10_000), fc.nat(60_000), (failures, maxMs) => {
    const ms = backoffMs(failures, { maxMs });
    assert(ms >= 0 && ms <= maxMs);
  }));
});

Deno.test("a delay ends with its signal", async () => {
  const abort = new AbortController();
  const waiting = delay(60_000, abort.signal);
  abort.abort(new Error("stop"));
  await rejects(waiting, /stop/);
  await rejects(delay(0, abort.signal), /stop/);
});

Deno.test("a pause ends with its time, when somebody says so, and with its signal", async () => {
  const pause = new Pause();
  await pause.wait(0);
  const waiting = [pause.wait(60_000), pause.wait(60_000)];
  pause.end();
  await Promise.all(waiting);
  const abort = new AbortController();
  const last = pause.wait(60_000, abort.signal);
  abort.abort();
  await last;
  await pause.wait(60_000, abort.signal);
});
