import { deepEqual, equal, ok } from "node:assert/strict";
import { type Clock, systemClock } from "@k3ts/model";
import { MemoryStore } from "../store/memory.ts";
import type { Store } from "../store/store.ts";
import { FakeClock } from "@k3ts/model/testing";
import { FaultyStore } from "../testing/faulty_store.ts";
import { settleTurns, watchedNames } from "../testing/registry_watch.ts";
import { ExpiryQueue } from "./expiry.ts";
import { Registry } from "./registry.ts";
import type { ObjectData, StoredResource } from "./stored_object.ts";

const never = new AbortController().signal;
const flies: StoredResource = { group: "", resource: "flies", fieldsOf: () => ({}), ttlMs: 60_000 };

Deno.test("what expires is deleted by a write, which watches see", async () => {
  const clock = new FakeClock();
  const registry = await opened(new MemoryStore(), clock);
  await registry.insert(flies, fly("old"));
  clock.advance(30_000);
  const young = await registry.insert(flies, fly("young"));
  const seen = watchedNames(registry, flies, registry.cache.revision);
  clock.advance(31_000);
  await registry.cache.waitFor(3);
  deepEqual(registry.cache.of(flies).newest({}), [young]);
  deepEqual(seen, ["DELETED old 3"]);
});

Deno.test("a write puts off the expiry", async () => {
  const clock = new FakeClock();
  const registry = await opened(new MemoryStore(), clock);
  const first = await registry.insert(flies, fly("a"));
  clock.advance(59_000);
  await registry.replace(flies, fly("a"), first);
  clock.advance(59_000);
  equal(registry.cache.of(flies).index.size, 1);
  equal(registry.cache.revision, 2);
  clock.advance(2_000);
  await registry.cache.waitFor(3);
  equal(registry.cache.of(flies).index.size, 0);
});

Deno.test("what has expired while no server ran is deleted by the next one", async () => {
  const store = new MemoryStore();
  const clock = new FakeClock();
  const first = await opened(store, clock);
  await first.insert(flies, fly("old"));
  clock.advance(10_000);
  await first.insert(flies, fly("young"));
  await first.close();
  clock.advance(55_000);
  const registry = await opened(store, clock);
  const seen = watchedNames(registry, flies, registry.cache.revision);
  clock.advance(1);
  await registry.cache.waitFor(3);
  deepEqual([...registry.cache.of(flies).newest({})].map(({ name }) => name), ["young"]);
  clock.advance(6_000);
  await registry.cache.waitFor(4);
  deepEqual(seen, ["DELETED old 3", "DELETED young 4"]);
});

Deno.test("what could not be deleted as the store had failed is deleted when it can be written again", async () => {
  const store = new FaultyStore(new MemoryStore());
  const clock = new FakeClock();
  const registry = await opened(store, clock);
  await registry.insert(flies, fly("a"));
  store.fault = new Error("the disk is gone");
  clock.advance(61_000);
  await settleTurns();
  ok(registry.failure !== undefined);
  store.fault = undefined;
  clock.advance(10_000);
  await settleTurns();
  clock.advance(1_000);
  await registry.cache.waitFor(2);
  equal(registry.cache.of(flies).index.size, 0);
});

Deno.test("however much is written, what waits for the next expiry is left to wait", async () => {
  const clock = new FakeClock();
  const lengths = new Set<number>();
  const after = clock.after.bind(clock);
  clock.after = (ms, run) => {
    lengths.add(ms);
    return after(ms, run);
  };
  const registry = await opened(new MemoryStore(), clock);
  for (let index = 0; index < 100; index++) {
    await registry.insert(flies, fly(`fly-${index}`));
    clock.advance(7);
  }
  deepEqual([...lengths], [60_000]);
  clock.advance(60_000);
  await registry.cache.waitFor(200);
  equal(registry.cache.of(flies).index.size, 0);
});

for (const [how, jumpMs] of [["ahead", 7_200_000], ["back", -7_200_000]] as const) {
  Deno.test(`what expires does so at its time though the machine's clock is set ${how}`, async () => {
    const clock = new FakeClock();
    const registry = await opened(new MemoryStore(), clock);
    await registry.insert(flies, fly("a"));
    clock.jump(jumpMs);
    clock.advance(59_000);
    await settleTurns();
    equal(registry.cache.of(flies).index.size, 1);
    clock.advance(1_000);
    await registry.cache.waitFor(2);
    equal(registry.cache.of(flies).index.size, 0);
  });
}

Deno.test("what a server finds expires within its time though the machine's clock was put back while none ran", async () => {
  const store = new MemoryStore();
  const clock = new FakeClock();
  const first = await opened(store, clock);
  await first.insert(flies, fly("a"));
  await first.close();
  clock.jump(-7_200_000);
  const registry = await opened(store, clock);
  clock.advance(59_000);
  await settleTurns();
  equal(registry.cache.of(flies).index.size, 1);
  clock.advance(1_000);
  await registry.cache.waitFor(2);
  equal(registry.cache.of(flies).index.size, 0);
});

Deno.test("real time passes too", async () => {
  const short = { ...flies, ttlMs: 50 };
  const writer = await new MemoryStore().openWriter({ name: "test" }, never);
  const registry = await Registry.open(writer, [short], systemClock);
  await registry.insert(short, fly("a"));
  await registry.cache.waitFor(2);
  equal(registry.cache.of(short).index.size, 0);
  await registry.close();
});

Deno.test("an object that is written a thousand times is in the queue once, and the earliest comes first", () => {
  const queue = new ExpiryQueue<StoredResource>();
  const times = Array.from({ length: 100 }, (_, index) => (index * 37) % 100);
  for (const at of times) queue.add({ at, resource: flies, namespace: "", name: `fly-${at}` });
  for (let at = 100; at < 1100; at++) queue.add({ at, resource: flies, namespace: "", name: "fly-7" });
  equal(queue.size, 100);
  deepEqual(queue.take(49, 1000).map(({ at }) => at), Array.from({ length: 50 }, (_, index) => index));
  equal(queue.next(), 50);
  queue.add({ at: 0, resource: flies, namespace: "", name: "fly-7" });
  equal(queue.next(), 0);
});

async function opened(store: Store, clock: Clock): Promise<Registry> {
  const open = () => store.openWriter({ name: "test" }, never);
  return await Registry.open(await open(), [flies], clock, { reopen: open });
}

function fly(name: string): ObjectData {
  return { metadata: { name, namespace: "default" } };
}
