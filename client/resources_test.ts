import { deepEqual as assertEquals, equal, ok as assert, rejects } from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { FakeServer, type Thing, THINGS } from "./_fake_server.ts";
import { ApiError, isAlreadyExists, isConflict, isExpired, isNotFound, isUnavailable } from "./errors.ts";
import { createResourceClient } from "./resources.ts";
import { retryOnConflict } from "./retry.ts";
import type { ResourceClientOptions } from "./types.ts";

Deno.test("an object that is created can be read, changed and deleted", async () => {
  const { things } = setup();
  const created = await things.create({ metadata: { name: "a", namespace: "ns" }, value: 1 });
  assertEquals(await things.get("a", { namespace: "ns" }), created);
  const updated = await things.update({ ...created, value: 2 });
  equal(updated.value, 2);
  equal(await things.delete("a", { namespace: "ns" }), undefined);
  await rejects(things.get("a", { namespace: "ns" }), isNotFound);
});

Deno.test("an error has what its Status says", async () => {
  const { things } = setup();
  await rejects(things.get("none", { namespace: "ns" }), (error) => {
    assert(error instanceof ApiError);
    assertEquals([error.code, error.reason, error.message], [404, "NotFound", "as NotFound"]);
    assert(error.cause instanceof ConnectError);
    return true;
  });
});

Deno.test("an error without a Status is told by its code", async () => {
  const { server, things } = setup();
  server.fail("get", new ConnectError("gone fishing", Code.Unavailable));
  await rejects(things.get("a"), (error) => isUnavailable(error) && (error as ApiError).message === "gone fishing");
});

Deno.test("an object that exists, or was changed by others, is not written", async () => {
  const { server, things } = setup();
  const old = server.put("a", 1);
  server.put("a", 2);
  await rejects(things.create({ metadata: { name: "a", namespace: "ns" }, value: 1 }), isAlreadyExists);
  await rejects(things.update({ ...old, value: 3 }), isConflict);
});

Deno.test("a write is tried again on fresh state after a conflict", async () => {
  const { server, things } = setup();
  server.put("a", 1);
  let tries = 0;
  const written = await retryOnConflict(async () => {
    const thing = await things.get("a", { namespace: "ns" });
    if (++tries < 3) server.put("a", 10 * tries);
    return await things.update({ ...thing, value: thing.value + 1 });
  }, { initialMs: 1 });
  equal(tries, 3);
  equal(written.value, 21);
});

Deno.test("a conflict that does not end is thrown at last, and other errors at once", async () => {
  const { server, things } = setup();
  const stale = server.put("a", 1);
  server.put("a", 2);
  let tries = 0;
  const write = (name: string) =>
    retryOnConflict(() => {
      tries++;
      return things.update({ ...stale, metadata: { ...stale.metadata, name } });
    }, { initialMs: 1, triesMax: 3 });
  await rejects(write("a"), isConflict);
  equal(tries, 3);
  await rejects(write("b"), isNotFound);
  equal(tries, 4);
});

Deno.test("a list of any length is whole, and fetched in pages", async () => {
  const { server, things } = setup();
  for (let index = 0; index < 1201; index++) server.put(`thing-${index}`, index);
  const { items, resourceVersion, continue: next } = await things.list();
  equal(new Set(items.map(({ metadata }) => metadata.name)).size, 1201);
  equal(resourceVersion, String(server.revision));
  equal(next, undefined);
  equal(server.calls.list, 3);
});

Deno.test("a list with a limit says where to go on", async () => {
  const { server, things } = setup();
  for (const name of ["a", "b", "c"]) server.put(name, 0);
  const first = await things.list({ limit: 2 });
  const second = await things.list({ limit: 2, continue: first.continue });
  assertEquals([...first.items, ...second.items].map(({ metadata }) => metadata.name), ["a", "b", "c"]);
  equal(second.continue, undefined);
});

Deno.test("a list whose next page has expired begins again", async () => {
  const { server, things } = setup();
  for (let index = 0; index < 600; index++) server.put(`thing-${index}`, index);
  const first = things.list();
  // The second call of list, not the first.
  while (server.calls.list !== 1) await Promise.resolve();
  server.fail("list", new ConnectError("too old", Code.OutOfRange));
  equal((await first).items.length, 600);
  equal(server.calls.list, 4);
});

Deno.test("a watch tells what happens after its revision, and ends on the server when its reader leaves", async () => {
  const { server, things } = setup();
  server.put("a", 1);
  const { resourceVersion } = await things.list();
  server.put("b", 2);
  server.remove("a");
  const seen: string[] = [];
  for await (const { type, object } of things.watch({ resourceVersion })) {
    seen.push(`${type} ${object.metadata.name}`);
    if (seen.length === 2) break;
  }
  assertEquals(seen, ["ADDED b", "DELETED a"]);
  while (server.watches > 0) await tick();
});

Deno.test("a watch from a revision that is compacted away is refused as expired", async () => {
  const { server, things } = setup();
  server.put("a", 1);
  server.put("b", 1);
  server.compact();
  await rejects(things.watch({ resourceVersion: "101" }).next(), isExpired);
});

Deno.test("what was aborted throws the signal's reason", async () => {
  const { things } = setup();
  const reason = new Error("enough");
  const abort = new AbortController();
  const next = things.watch({ resourceVersion: "100", signal: abort.signal }).next();
  abort.abort(reason);
  await rejects(next, reason);
  await rejects(things.get("a", { signal: abort.signal }), reason);
});

Deno.test("identity and warnings are handed on", async () => {
  const warnings: string[] = [];
  const { server, things } = setup({ identity: "system:kube-scheduler", onWarning: (text) => warnings.push(text) });
  await things.create({ metadata: { name: "a", namespace: "ns" }, value: 1 });
  equal(server.header.get("k3ts-identity"), "system:kube-scheduler");
  assertEquals(warnings, ["things are old-fashioned"]);
});

Deno.test("a write names its manager: its own, or else the client's", async () => {
  const { server, things } = setup({ fieldManager: "k3ts-agent" });
  const created = await things.create({ metadata: { name: "a", namespace: "ns" }, value: 1 });
  await things.update({ ...created, value: 2 }, { fieldManager: "somebody" });
  assertEquals(server.managers, ["k3ts-agent", "somebody"]);
});

function setup(options?: ResourceClientOptions) {
  const server = new FakeServer();
  return { server, things: createResourceClient(server.transport, options).of<Thing>(THINGS) };
}

/** Lets everything run that is ready to. */
function tick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
