import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import fc from "fast-check";
import { SERVICE_RANGES, ServiceAllocator } from "../allocators/services.ts";
import { StatusError } from "../status.ts";
import { MemoryStore } from "../store/memory.ts";
import { Full } from "../store/store.ts";
import { FakeClock } from "@k3ts/model/testing";
import { FaultyStore } from "../testing/faulty_store.ts";
import { settleTurns, watchedNames } from "../testing/registry_watch.ts";
import type { RegistryOptions } from "./options.ts";
import { Registry } from "./registry.ts";
import { type ObjectData, parseObject, type StoredResource } from "./stored_object.ts";

const never = new AbortController().signal;
const things: StoredResource = { group: "", resource: "things", fieldsOf: () => ({}) };
const services: StoredResource = { ...things, resource: "services" };
const noSpace = () => new Full("No space left on device");

Deno.test("a full disk refuses writes and says so, reads go on, and writes work again when there is room", async () => {
  const { store, registry, clock } = await opened();
  const a = await registry.insert(things, thing("a"));
  store.fault = noSpace();
  await rejects(
    registry.replace(things, thing("a"), a),
    refused(507, /whether this write was made is unknown: No space/),
  );
  await rejects(registry.insert(things, thing("b")), refused(507, /must have room on its disk: No space/));
  deepEqual(registry.cache.get(things, "default", "a"), a);
  clock.advance(60_000);
  await settleTurns();
  await rejects(registry.insert(things, thing("b")), refused(507, /No space/));
  store.fault = undefined;
  await recovered(registry, clock);
  const next = await registry.replace(things, thing("a"), a);
  equal(next.revision, 2);
});

Deno.test("what was written though nobody was told becomes visible, and watches miss nothing", async () => {
  const { store, registry, clock } = await opened();
  const seen = watchedNames(registry, things, 0);
  const a = await registry.insert(things, thing("a"));
  store.fault = new Error("the disk is gone");
  store.writesThough = true;
  await rejects(registry.remove(things, a), refused(500, /unknown/));
  await rejects(registry.insert(things, thing("b")), refused(503, /being opened again/));
  equal(registry.cache.get(things, "default", "a"), a);
  store.fault = undefined;
  await recovered(registry, clock);
  equal(registry.newest(things, "default", "a"), undefined);
  await registry.insert(things, thing("a"));
  deepEqual(seen, ["ADDED a 1", "DELETED a 2", "ADDED a 3"]);
});

Deno.test("writes that were waiting for others are refused with them", async () => {
  const { store, registry, clock } = await opened({ batchesInFlightMax: 1 });
  store.fault = noSpace();
  const writes = [registry.insert(things, thing("a"))];
  await Promise.resolve();
  writes.push(registry.insert(things, thing("b")));
  for (const write of writes) await rejects(write, refused(507, /unknown/));
  store.fault = undefined;
  await recovered(registry, clock);
  equal((await registry.insert(things, thing("b"))).revision, 1);
});

Deno.test("addresses of Services that were not written are free again, of others taken", async () => {
  const allocators = new Map([["services", new ServiceAllocator(SERVICE_RANGES, () => 0)]]);
  const { store, registry, clock } = await opened({ allocators });
  const kept = await registry.insert(services, service("kept"));
  const address = addressOf(kept);
  store.fault = noSpace();
  await rejects(registry.insert(services, service("lost")), refused(507, /unknown/));
  store.fault = undefined;
  await recovered(registry, clock);
  store.fault = noSpace();
  store.writesThough = true;
  await rejects(registry.remove(services, kept), refused(507, /unknown/));
  store.fault = undefined;
  await recovered(registry, clock);
  equal(addressOf(await registry.insert(services, service("next"))), address);
});

Deno.test("a store that has lost what was acknowledged is not gone on from", async () => {
  const store = new FaultyStore(new MemoryStore());
  const clock = new FakeClock();
  const writer = await store.openWriter({ name: "test" }, never);
  const registry = await Registry.open(writer, [things], clock, {
    reopen: () => new MemoryStore().openWriter({ name: "other" }, never),
  });
  await registry.insert(things, thing("a"));
  store.fault = noSpace();
  await rejects(registry.insert(things, thing("b")));
  match((await registry.lost).message, /must have revision 1, which was acknowledged: it ends at 0/);
});

Deno.test("a store that does not answer is given no more, and who waits for long is told so", async () => {
  const { store, registry, clock } = await opened({ batchesInFlightMax: 1 });
  const answered = Promise.withResolvers<void>();
  store.delay = () => answered.promise;
  const under = rejects(registry.insert(things, thing("a")), refused(504, /has not answered for 60 s/));
  await settleTurns();
  const waiting = rejects(registry.insert(things, thing("b")), refused(504, /unknown/));
  clock.advance(11_000);
  await rejects(registry.insert(things, thing("c")), refused(429, /waiting for the store/));
  clock.jump(-7_200_000);
  await rejects(registry.insert(things, thing("c")), refused(429, /waiting for the store/));
  equal(registry.cache.revision, 0);
  clock.advance(60_000);
  await Promise.all([under, waiting]);
  answered.resolve();
  await registry.cache.waitFor(2);
  equal((await registry.insert(things, thing("c"))).revision, 3);
});

Deno.test("a slow store delays nobody who reads, and a heartbeat waits once however often it is sent", async () => {
  const { store, registry } = await opened();
  const lease = await registry.insert(things, thing("lease"));
  const answered = Promise.withResolvers<void>();
  store.delay = () => answered.promise;
  const renewal = registry.replace(things, thing("lease"), lease);
  for (let attempt = 0; attempt < 3; attempt++) {
    // A client that gave up reads what is visible, and sends the same again.
    deepEqual(registry.cache.get(things, "default", "lease"), lease);
    await rejects(registry.replace(things, thing("lease"), lease), refused(409, /has been modified/));
  }
  equal(store.appends, 2);
  answered.resolve();
  equal((await renewal).revision, 2);
});

Deno.test("whatever fails when, what was acknowledged stays and watches see what the store has", async () => {
  const step = fc.record({
    name: fc.constantFrom("a", "b", "c"),
    remove: fc.boolean(),
    fails: fc.constantFrom("no", "no", "no", "unwritten", "written"),
  });
  await fc.assert(fc.asyncProperty(fc.array(fc.array(step, { maxLength: 4 }), { maxLength: 8 }), async (turns) => {
    const { store, registry, clock } = await opened();
    const seen = watchedNames(registry, things, 0);
    const acknowledged: number[] = [];
    for (const steps of turns) {
      const writes = [];
      for (const { name, remove, fails } of steps) {
        if (fails !== "no" && store.fault === undefined) {
          store.fault = noSpace();
          store.writesThough = fails === "written";
        }
        const present = registry.newest(things, "default", name);
        const write = present === undefined
          ? registry.insert(things, thing(name))
          : remove
          ? registry.remove(things, present)
          : registry.replace(things, thing(name), present);
        writes.push(write.then(({ revision }) => acknowledged.push(revision), () => {}));
      }
      await Promise.all(writes);
      store.fault = undefined;
      await recovered(registry, clock);
    }
    const changes = (await Array.fromAsync(registry.writer.changes(0))).flat();
    deepEqual(seen.map((event) => Number(event.split(" ")[2])), changes.map(({ revision }) => revision));
    for (const revision of acknowledged) ok(revision <= changes.length, `revision ${revision} is lost`);
    const entries = (await Array.fromAsync(registry.writer.load())).flatMap((page) => page.entries);
    deepEqual(
      registry.cache.of(things).newest({}).map(({ revision }) => revision),
      entries.map(({ revision }) => revision),
    );
  }));
});

async function opened(options: RegistryOptions = {}) {
  const store = new FaultyStore(new MemoryStore());
  const clock = new FakeClock();
  const reopen = () => store.openWriter({ name: "test" }, never);
  const registry = await Registry.open(await reopen(), [things, services], clock, { ...options, reopen });
  return { store, registry, clock };
}

async function recovered(registry: Registry, clock: FakeClock): Promise<void> {
  await settleTurns();
  for (let attempt = 0; registry.failure !== undefined; attempt++) {
    ok(attempt < 10, registry.failure.message);
    clock.advance(5_000);
    await settleTurns();
  }
}

function thing(name: string): ObjectData {
  return { metadata: { name, namespace: "default" } };
}

function service(name: string): ObjectData {
  return { ...thing(name), spec: { ports: [{ port: 80 }] } } as ObjectData;
}

function addressOf(stored: Parameters<typeof parseObject>[0]): string {
  return parseObject<ObjectData & { spec: { clusterIP: string } }>(stored).spec.clusterIP;
}

function refused(code: number, message: RegExp) {
  return (error: unknown) => {
    ok(error instanceof StatusError, String(error));
    match(error.message, message);
    return error.status.code === code;
  };
}
