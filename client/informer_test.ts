import { deepEqual as assertEquals, equal, ok as assert, rejects } from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { FakeServer, type Thing, THINGS } from "./_fake_server.ts";
import { Informer, type InformerOptions } from "./informer.ts";
import { createResourceClient } from "./resources.ts";
import { waitFor } from "./wait_for.ts";

Deno.test("an informer holds what there is and follows what happens", async () => {
  await using t = setup();
  t.server.put("a", 1);
  t.start();
  await t.informer.synced;
  equal(t.informer.get("ns", "a")?.value, 1);
  t.server.put("b", 2);
  t.server.put("a", 3);
  t.server.remove("b");
  await t.seen(4);
  assertEquals(t.changes, ["added a=1", "added b=2", "updated a=3 was 1", "deleted b=2"]);
  assertEquals(t.informer.list().map(({ value }) => value), [3]);
});

Deno.test("after a broken connection a watch goes on from where it was, without another list", async () => {
  await using t = setup();
  t.start();
  await t.watching();
  t.server.put("a", 1);
  await t.seen(1);
  t.server.cut();
  t.server.put("b", 2);
  await t.seen(2);
  equal(t.server.calls.list, 1);
  equal(t.errors.length, 1);
});

Deno.test("bookmarks keep a quiet watch from expiring", async () => {
  await using t = setup();
  t.server.put("a", 1);
  t.start();
  await t.watching();
  t.server.bookmark();
  await t.until(() => t.informer.resourceVersion === String(t.server.revision));
  t.server.compact();
  t.server.cut();
  t.server.put("b", 2);
  await t.seen(2);
  equal(t.server.calls.list, 1);
});

Deno.test("when its revision has expired it lists again, and tells of what vanished in between", async () => {
  await using t = setup();
  t.server.put("a", 1);
  t.server.put("b", 1);
  t.server.put("c", 1);
  t.start();
  await t.watching();
  t.server.remove("a");
  t.server.put("b", 2);
  t.server.put("d", 4);
  t.server.compact();
  t.server.cut();
  await t.seen(6);
  assertEquals(t.changes.slice(3), ["deleted a=1", "updated b=2 was 1", "added d=4"]);
});

Deno.test("when the server was restored to an earlier state it lists again", async () => {
  await using t = setup();
  const before = t.server.put("a", 1);
  t.start();
  await t.watching();
  t.server.put("a", 2);
  t.server.put("b", 2);
  await t.seen(3);
  t.server.restore(101, [before]);
  t.server.cut();
  await t.seen(5);
  assertEquals(t.changes.slice(3), ["deleted b=2", "updated a=1 was 2"]);
});

Deno.test("an object that was made anew under its old name is deleted and added", async () => {
  await using t = setup();
  t.server.put("a", 1, "first");
  t.start();
  await t.watching();
  t.server.put("a", 2, "second");
  await t.seen(3);
  assertEquals(t.changes, ["added a=1", "deleted a=1", "added a=2"]);
});

Deno.test("a list that fails is not an empty list", async () => {
  await using t = setup();
  t.server.put("a", 1);
  t.start();
  await t.watching();
  t.server.fail("list", new ConnectError("not now", Code.Unavailable));
  t.server.put("b", 2);
  t.server.compact();
  t.server.cut();
  await t.until(() => t.server.calls.list === 3);
  await t.seen(2);
  assertEquals(t.changes, ["added a=1", "added b=2"]);
});

Deno.test("an empty list deletes everything that was held", async () => {
  await using t = setup();
  t.server.put("a", 1);
  t.start();
  await t.watching();
  t.server.remove("a");
  t.server.compact();
  t.server.cut();
  await t.seen(2);
  assertEquals(t.changes, ["added a=1", "deleted a=1"]);
});

Deno.test("the first list is tried until it succeeds", async () => {
  await using t = setup();
  for (let tries = 0; tries < 3; tries++) t.server.fail("list", new ConnectError("starting", Code.Unavailable));
  t.start();
  await t.informer.synced;
  equal(t.errors.length, 3);
});

Deno.test("an index follows the objects", async () => {
  await using t = setup();
  t.server.put("a", 1);
  const byValue = t.informer.index(({ value }) => [String(value)]);
  t.start();
  await t.watching();
  t.server.put("b", 1);
  await t.seen(2);
  const byParity = t.informer.index(({ value }) => value % 2 === 0 ? ["even"] : ["odd"]);
  assertEquals(byValue.get("1").map(({ metadata }) => metadata.name), ["a", "b"]);
  t.server.put("a", 2);
  t.server.remove("b");
  await t.seen(4);
  assertEquals(byValue.get("1"), []);
  assertEquals(byValue.get("2").map(({ metadata }) => metadata.name), ["a"]);
  assertEquals(byParity.get("even").map(({ metadata }) => metadata.name), ["a"]);
});

Deno.test("a handler that comes late is told what is there, one that left nothing more", async () => {
  await using t = setup();
  t.server.put("a", 1);
  t.start();
  await t.watching();
  const late: string[] = [];
  const leave = t.informer.onChange((type, { metadata }) => late.push(`${type} ${metadata.name}`));
  t.server.put("b", 1);
  await t.seen(2);
  leave();
  t.server.put("c", 1);
  await t.seen(3);
  assertEquals(late, ["added a", "added b"]);
});

Deno.test("a handler that throws harms neither the others nor the informer", async () => {
  await using t = setup();
  t.informer.onChange(() => {
    throw new Error("clumsy");
  });
  t.start();
  await t.watching();
  t.server.put("a", 1);
  await t.until(() => t.changes.length === 1 && t.errors.length === 1);
  equal(t.informer.get("ns", "a")?.value, 1);
});

Deno.test("an informer ends with its signal, also while it waits to try again", async () => {
  const t = setup({ backoff: { initialMs: 60_000, random: () => 0.99 } });
  t.server.fail("list", new ConnectError("down", Code.Unavailable));
  t.start();
  await t.until(() => t.errors.length === 1);
  t.abort.abort(new Error("bye"));
  await t.running;
  await rejects(t.informer.synced, /bye/);
});

Deno.test("an informer that waits to try again can be told not to", async () => {
  await using t = setup({ backoff: { initialMs: 60_000, random: () => 0.99 } });
  t.server.fail("list", new ConnectError("down", Code.Unavailable));
  t.start();
  await t.until(() => t.errors.length === 1);
  t.informer.retryNow();
  await t.informer.synced;
});

Deno.test("waiting ends when the condition holds, for an object that comes or one that goes", async () => {
  await using t = setup();
  const here = waitFor(t.things, "a", (thing) => thing?.value === 2, { namespace: "ns" });
  t.server.put("a", 1);
  t.server.put("a", 2);
  equal((await here)?.value, 2);
  const gone = waitFor(t.things, "a", (thing) => thing === undefined, { namespace: "ns" });
  t.server.remove("a");
  equal(await gone, undefined);
  await t.until(() => t.server.watches === 0);
});

Deno.test("waiting ends with its signal", async () => {
  await using t = setup();
  const waiting = waitFor(t.things, "a", (thing) => thing !== undefined, {
    namespace: "ns",
    signal: AbortSignal.timeout(20),
  });
  await rejects(waiting, { name: "TimeoutError" });
  await t.until(() => t.server.watches === 0);
});

function setup(options: InformerOptions = {}) {
  const server = new FakeServer();
  const things = createResourceClient(server.transport).of<Thing>(THINGS);
  const errors: Error[] = [];
  const informer = new Informer(things, {
    backoff: { initialMs: 1 },
    onError: (error) => errors.push(error),
    ...options,
  });
  const changes: string[] = [];
  informer.onChange((type, { metadata, value }, old) => {
    changes.push(`${type} ${metadata.name}=${value}${type === "updated" ? ` was ${old?.value}` : ""}`);
  });
  const abort = new AbortController();
  const t = {
    server,
    things,
    informer,
    errors,
    changes,
    abort,
    running: Promise.resolve(),
    start: () => void (t.running = informer.start(abort.signal)),
    watching: () => t.until(() => server.watches === 1),
    seen: (count: number) => t.until(() => changes.length >= count),
    async until(condition: () => boolean) {
      const deadline = performance.now() + 10_000;
      while (!condition()) {
        assert(performance.now() < deadline, `the condition must hold within 10 s: seen so far: ${changes.join(", ")}`);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    },
    async [Symbol.asyncDispose]() {
      abort.abort();
      await t.running;
      await t.until(() => server.watches === 0);
    },
  };
  return t;
}
