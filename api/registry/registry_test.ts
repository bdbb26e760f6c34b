import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { MemoryStore } from "../store/memory.ts";
import type { StoreWriter } from "../store/store.ts";
import { StatusError } from "../status.ts";
import { FakeClock } from "@k3ts/model/testing";
import { FaultyStore } from "../testing/faulty_store.ts";
import type { RegistryOptions } from "./options.ts";
import { Registry } from "./registry.ts";
import { type ObjectData, parseObject, type StoredResource } from "./stored_object.ts";

const never = new AbortController().signal;
const things: StoredResource = {
  group: "",
  resource: "things",
  fieldsOf: (object) => ({ "metadata.name": object.metadata.name }),
};

Deno.test("of a long history a server that starts reads back the newest part alone", async () => {
  const store = new MemoryStore();
  const { registry } = await opened(await store.openWriter({ name: "test" }, never));
  const data = "x".repeat(4_000_000);
  let object = await registry.insert(things, { ...thing("a"), data } as ObjectData);
  for (let index = 0; index < 24; index++) {
    object = await registry.replace(things, { ...thing("a"), data } as ObjectData, object);
  }
  await registry.close();
  const again = await opened(await store.openWriter({ name: "next" }, never));
  const { history } = again.registry.cache.of(things);
  ok(history.begin > 1 && history.begin <= object.revision, String(history.begin));
  equal(again.registry.newest(things, "default", "a")?.revision, object.revision);
});

Deno.test("a write is visible, and has its revision in its bytes, when it is answered", async () => {
  const { registry } = await opened();
  const stored = await registry.insert(things, thing("a"));
  equal(stored.revision, 1);
  equal(parseObject(stored).metadata.resourceVersion, "1");
  equal(registry.cache.get(things, "default", "a"), stored);
  equal(registry.cache.revision, 1);
});

Deno.test("nothing is visible before it is durable", async () => {
  const held = new HeldStore();
  const { registry } = await opened(await held.openWriter({ name: "test" }, never));
  const insert = registry.insert(things, thing("a"));
  await held.asked;
  equal(registry.cache.get(things, "default", "a"), undefined);
  ok(registry.newest(things, "default", "a") !== undefined);
  held.release();
  await insert;
  ok(registry.cache.get(things, "default", "a") !== undefined);
});

Deno.test("a write under way is what the next one is checked against", async () => {
  const { registry } = await opened();
  const first = registry.insert(things, thing("a"));
  await rejects(registry.insert(things, thing("a")), refused("AlreadyExists"));
  const stale = await first;
  const second = registry.replace(things, thing("a"), stale);
  await rejects(registry.replace(things, thing("a"), stale), refused("Conflict"));
  const removal = registry.remove(things, await second);
  await rejects(registry.replace(things, thing("a"), stale), refused("NotFound"));
  await registry.insert(things, thing("a"));
  await removal;
  equal(registry.cache.get(things, "default", "a")?.revision, 4);
});

Deno.test("writes of one turn go to the store together", async () => {
  const store = new FaultyStore(new MemoryStore());
  const { registry } = await opened(await store.openWriter({ name: "test" }, never));
  await Promise.all(Array.from({ length: 100 }, (_, index) => registry.insert(things, thing(`t${index}`))));
  equal(store.appends, 1);
  equal(registry.cache.revision, 100);
});

Deno.test("a dry run answers as a write would and leaves no trace", async () => {
  const { registry } = await opened();
  const answer = await registry.insert(things, thing("a"), { dryRun: true });
  equal(answer.name, "a");
  equal(registry.newest(things, "default", "a"), undefined);
  equal((await registry.insert(things, thing("a"))).revision, 1);
});

Deno.test("a full queue refuses with TooManyRequests and takes writes again when it has emptied", async () => {
  const held = new HeldStore();
  const { registry } = await opened(await held.openWriter({ name: "test" }, never), {
    pendingWritesMax: 2,
    batchesInFlightMax: 1,
  });
  const first = registry.insert(things, thing("a"));
  await held.asked;
  const waiting = [registry.insert(things, thing("b")), registry.insert(things, thing("c"))];
  await rejects(registry.insert(things, thing("d")), refused("TooManyRequests"));
  held.release();
  await Promise.all([first, ...waiting]);
  equal((await registry.insert(things, thing("d"))).revision, 4);
});

Deno.test("when the store fails and nobody can open it again, every write is refused, and the server is told", async () => {
  const store = new FaultyStore(new MemoryStore());
  const { registry } = await opened(await store.openWriter({ name: "test" }, never));
  store.fault = new Error("the disk is gone");
  const writes = [registry.insert(things, thing("a")), registry.insert(things, thing("b"))];
  for (const write of writes) await rejects(write, refused("InternalError"));
  await rejects(registry.insert(things, thing("c")), refused("ServiceUnavailable"));
  equal((await registry.lost).message, "the disk is gone");
  equal(registry.cache.get(things, "default", "a"), undefined);
});

Deno.test("a fenced registry says that another server has taken over", async () => {
  const store = new MemoryStore();
  const { registry } = await opened(await store.openWriter({ name: "first" }, never));
  await store.openWriter({ name: "second" }, never);
  await rejects(registry.insert(things, thing("a")), refused("ServiceUnavailable"));
  await rejects(registry.insert(things, thing("b")), refused("ServiceUnavailable"));
  equal((await registry.lost).name, "Fenced");
});

Deno.test("a registry that is opened again finds objects, revisions and history", async () => {
  const store = new MemoryStore();
  const first = await opened(await store.openWriter({ name: "first" }, never));
  const a = await first.registry.insert(things, thing("a"));
  await first.registry.insert(things, thing("b"));
  await first.registry.replace(things, thing("a", { color: "red" }), a);
  await first.registry.close();
  const { registry } = await opened(await store.openWriter({ name: "second" }, never));
  deepEqual(registry.cache.of(things).newest({}).map((object) => [object.name, object.revision]), [["a", 3], ["b", 2]]);
  deepEqual(registry.cache.of(things).asOf({}, 2)?.map((object) => [object.name, object.revision]), [["a", 1], [
    "b",
    2,
  ]]);
  equal((await registry.insert(things, thing("c"))).revision, 4);
});

for (const [how, jumpMs] of [["ahead", 7_200_000], ["back", -7_200_000]] as const) {
  Deno.test(`changes are kept for five minutes though the machine's clock is set ${how}`, async () => {
    const { registry, clock } = await opened();
    const { history } = registry.cache.of(things);
    await registry.insert(things, thing("a"));
    clock.jump(jumpMs);
    clock.advance(240_000);
    await registry.insert(things, thing("b"));
    equal(history.sequenceAfter(0), 0);
    clock.advance(240_000);
    await registry.insert(things, thing("c"));
    equal(history.sequenceAfter(0), undefined);
    equal(history.sequenceAfter(1), 1);
  });

  Deno.test(`the store keeps ten minutes of history though the machine's clock is set ${how}`, async () => {
    const writer = await new MemoryStore().openWriter({ name: "test" }, never);
    const compacted: number[] = [];
    writer.compact = (before) => Promise.resolve(void compacted.push(before));
    const { registry, clock } = await opened(writer);
    await registry.insert(things, thing("a"));
    clock.advance(60_000);
    clock.jump(jumpMs);
    await registry.insert(things, thing("b"));
    clock.advance(540_000);
    deepEqual(compacted, []);
    clock.advance(120_000);
    deepEqual(compacted, [1, 2]);
    await registry.close();
  });
}

async function opened(writer?: StoreWriter, options?: RegistryOptions) {
  const clock = new FakeClock();
  const registry = await Registry.open(
    writer ?? await new MemoryStore().openWriter({ name: "test" }, never),
    [things],
    clock,
    options,
  );
  return { registry, clock };
}

function thing(name: string, labels?: Record<string, string>): ObjectData {
  return { metadata: { name, namespace: "default", ...(labels && { labels }) } };
}

function refused(reason: string) {
  return (error: unknown) => error instanceof StatusError && error.status.reason === reason;
}

/** Holds appends back until it is told to release them. */
class HeldStore extends FaultyStore {
  readonly #asked = Promise.withResolvers<void>();
  readonly #released = Promise.withResolvers<void>();
  readonly asked = this.#asked.promise;
  override delay = () => {
    this.#asked.resolve();
    return this.#released.promise;
  };
  constructor() {
    super(new MemoryStore());
  }
  release() {
    this.#released.resolve();
  }
}
