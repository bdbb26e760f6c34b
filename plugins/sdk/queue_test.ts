import { deepEqual as assertEquals, equal, ok as assert } from "node:assert/strict";
import { FakeClock } from "@k3ts/model/testing";
import { Metrics } from "@k3ts/client/telemetry";
import { ControllerMetrics } from "./controller_metrics.ts";
import { WorkQueue } from "./queue.ts";

const never = new AbortController().signal;

Deno.test("an object waits at most once", async () => {
  const queue = new WorkQueue();
  for (const key of ["a", "b", "a", "a"]) queue.add(key);
  assertEquals([await queue.take(never), await queue.take(never), queue.length], ["a", "b", 0]);
});

Deno.test("an object that changes while it is planned is planned once more afterwards, never twice at a time", async () => {
  const queue = new WorkQueue();
  queue.add("a");
  const key = await queue.take(never);
  queue.add("a");
  queue.add("a");
  equal(queue.length, 0);
  queue.done(key);
  equal(await queue.take(never), "a");
  queue.done("a");
  equal(queue.length, 0);
});

Deno.test("a worker that waits gets the next object", async () => {
  const queue = new WorkQueue();
  const taken = queue.take(never);
  queue.add("a");
  equal(await taken, "a");
});

Deno.test("waiting ends with the signal", async () => {
  const queue = new WorkQueue();
  const controller = new AbortController();
  const taken = queue.take(controller.signal);
  controller.abort(new Error("stop"));
  await taken.then(() => assert(false), (error) => equal(error.message, "stop"));
  queue.add("a");
  equal(queue.length, 1);
});

Deno.test("what waits for a time comes after as long as it was to be, and the soonest counts, however the clock is set", async () => {
  const clock = new FakeClock();
  const queue = new WorkQueue(clock);
  queue.addAt("a", clock.wall() + 60_000);
  clock.jump(-7_200_000);
  queue.addAt("a", clock.wall() + 90_000);
  clock.advance(59_999);
  equal(queue.length, 0);
  clock.advance(1);
  equal(await queue.take(never), "a");
  queue.done("a");
  queue.addAt("a", clock.wall() + 60_000);
  clock.jump(7_200_000);
  queue.addAt("a", clock.wall() + 30_000);
  clock.advance(30_000);
  equal(queue.length, 1);
  queue.close();
});

Deno.test("failures come back later and later, up to a minute", async () => {
  const queue = new WorkQueue();
  const delays: number[] = [];
  for (let i = 0; i < 20; i++) {
    // Those that fail for the first time may come back at once.
    if (i < 3) queue.add("a");
    const key = i < 3 ? await queue.take(never) : "a";
    delays.push(queue.failed(key, undefined, () => 1));
  }
  assertEquals(delays.slice(0, 3), [20, 40, 80]);
  equal(delays.at(-1), 60_000);
  queue.close();
});

Deno.test("what fails again and again is not tried at once, whoever asks", async () => {
  const queue = new WorkQueue();
  for (let i = 0; i < 3; i++) {
    queue.add("a");
    queue.failed(await queue.take(never), { msMin: 60_000, msMax: 60_000 });
  }
  queue.add("a");
  equal(queue.length, 0);
  // But sooner than it would be by itself.
  equal(await queue.take(AbortSignal.timeout(5_000)), "a");
  queue.close();
});

Deno.test("a queue tells what comes, waits, is worked on and comes back", async () => {
  const metrics = new Metrics();
  const queue = new WorkQueue(undefined, new ControllerMetrics(metrics).of("test").queue);
  for (const key of ["a", "b", "a"]) queue.add(key);
  queue.done(await queue.take(never));
  queue.failed(await queue.take(never), { msMin: 1, msMax: 1 });
  // Its work begins at once, as somebody waits for it.
  queue.done(await queue.take(never));
  const text = await metrics.render();
  for (
    const line of [
      'workqueue_depth{name="test"} 0',
      'workqueue_adds_total{name="test"} 3',
      'workqueue_retries_total{name="test"} 1',
      'workqueue_queue_duration_seconds_count{name="test"} 3',
      'workqueue_work_duration_seconds_count{name="test"} 3',
    ]
  ) assert(text.includes(`${line}\n`), `${line} in\n${text}`);
  queue.close();
});
