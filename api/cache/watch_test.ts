import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { MemoryStore } from "../store/memory.ts";
import type { RegistryOptions } from "../registry/options.ts";
import { Registry } from "../registry/registry.ts";
import { type ObjectData, parseObject, type StoredObject, type StoredResource } from "../registry/stored_object.ts";
import { StatusError } from "../status.ts";
import { FakeClock } from "@k3ts/model/testing";
import { type EncodedEvent, JSON_FORM } from "./encoding.ts";
import { parseContinue } from "./continue_token.ts";
import type { ObjectFilter } from "./change.ts";
import type { Scope } from "./resource_cache.ts";
import type { EventSink, WatchOptions } from "./watch.ts";

const things: StoredResource = { group: "", resource: "things", fieldsOf: () => ({}) };
const red: ObjectFilter = (object) => object.labels.color === "red";

Deno.test("a watch sees what is written after its revision", async () => {
  const { registry } = await opened();
  await registry.insert(things, thing("a"));
  const sink = new ListSink();
  registry.cache.watch(things, from(1), sink).resume();
  const b = await registry.insert(things, thing("b"));
  await registry.remove(things, b);
  deepEqual(sink.seen(), [["ADDED", "b", "2"], ["DELETED", "b", "3"]]);
});

Deno.test("coming into a selector is an addition, leaving it a deletion of the last state that matched", async () => {
  const { registry } = await opened();
  let object = await registry.insert(things, thing("a", "blue"));
  const sink = new ListSink();
  registry.cache.watch(things, from(1, { filter: red }), sink).resume();
  object = await registry.replace(things, thing("a", "red"), object);
  object = await registry.replace(things, thing("a", "red"), object);
  object = await registry.replace(things, thing("a", "blue"), object);
  await registry.replace(things, thing("a", "blue"), object);
  deepEqual(sink.seen(), [["ADDED", "a", "2"], ["MODIFIED", "a", "3"], ["DELETED", "a", "4"]]);
  equal(JSON.parse(sink.text(2)).metadata.labels.color, "red");
});

Deno.test("a watch from the newest begins with what is there", async () => {
  const { registry } = await opened();
  await registry.insert(things, thing("b"));
  await registry.insert(things, thing("a"));
  const sink = new ListSink();
  registry.cache.watch(things, { ...from(0), from: "newest", marksInitialEnd: true }, sink).resume();
  await registry.insert(things, thing("c"));
  deepEqual(sink.seen(), [["ADDED", "a", "2"], ["ADDED", "b", "1"], ["BOOKMARK", "", "2"], ["ADDED", "c", "3"]]);
  deepEqual(JSON.parse(sink.text(2)).metadata.annotations, { "k8s.io/initial-events-end": "true" });
});

Deno.test("a watch from a forgotten revision is told that it has expired", async () => {
  const { registry } = await opened({ historyLimits: { changesMax: 8, bytesMax: 1e9, ageMsMax: 1e9 } });
  for (let index = 0; index < 20; index++) await registry.insert(things, thing(`t${index}`));
  const sink = new ListSink();
  registry.cache.watch(things, from(1), sink).resume();
  equal(JSON.parse(sink.text(0)).reason, "Expired");
  ok(sink.ended);
});

Deno.test("a watch from a revision that is yet to come, as it was lost with a disk, is told to begin anew", async () => {
  const { registry } = await opened();
  await registry.insert(things, thing("a"));
  const sink = new ListSink();
  registry.cache.watch(things, from(2), sink).resume();
  deepEqual([JSON.parse(sink.text(0)).reason, JSON.parse(sink.text(0)).message], [
    "Expired",
    "too new resource version: 2 (1)",
  ]);
  ok(sink.ended);
});

Deno.test("a full sink gets nothing, misses nothing and delays nobody", async () => {
  const { registry } = await opened();
  const slow = new ListSink();
  slow.free = 0;
  const watch = registry.cache.watch(things, from(0), slow);
  const fast = new ListSink();
  registry.cache.watch(things, from(0), fast).resume();
  for (let index = 0; index < 200; index++) await registry.insert(things, thing(`t${index}`));
  deepEqual([slow.events.length, fast.events.length], [0, 200]);
  slow.free = 1;
  watch.resume();
  deepEqual(slow.seen(), fast.seen());
});

Deno.test("a slow sink is given no more large events at once than it has room for, and one", async () => {
  const { registry } = await opened();
  const large = (name: string) => ({ ...thing(name), data: "x".repeat(100_000) });
  for (let index = 0; index < 20; index++) await registry.insert(things, large(`t${index}`));
  const cases = [[from(0), [3, 3, 3]], [{ ...from(0), from: "newest" as const }, [1, 1, 1]]] as const;
  for (const [options, expected] of cases) {
    const sink = new ListSink();
    sink.free = 250_000;
    const watch = registry.cache.watch(things, options, sink);
    const batches: number[] = [];
    const send = sink.send.bind(sink);
    sink.send = (events) => {
      batches.push(events.length);
      send(events);
      if (batches.length === 3) sink.free = 0;
    };
    watch.resume();
    deepEqual(batches, expected);
    watch.end();
  }
});

Deno.test("of many watches that begin with much a few do so at a time, and none sees less for having waited", async () => {
  const { registry, clock } = await opened();
  for (let index = 0; index < 300; index++) await registry.insert(things, thing(`t${index}`));
  const sinks = Array.from({ length: 40 }, () => new ListSink());
  // These read a little and then nothing more.
  for (const sink of sinks.slice(0, 16)) {
    sink.send = (events) => {
      sink.events.push(...events);
      sink.free = 0;
    };
  }
  const watches = sinks.map((sink) => registry.cache.watch(things, { ...from(0), from: "newest" }, sink));
  for (const watch of watches) watch.resume();
  deepEqual(sinks.filter((sink) => sink.events.length > 0).length, 16);
  watches[39]!.end();
  await registry.insert(things, thing("u"));
  clock.advance(1_000);
  for (const sink of sinks.slice(16, 39)) equal(new Set(sink.seen().map(([, name]) => name)).size, 301);
  equal(sinks[39]!.events.length, 0);
  for (const [index, sink] of sinks.slice(0, 16).entries()) {
    sink.send = ListSink.prototype.send;
    sink.free = 1;
    watches[index]!.resume();
    equal(new Set(sink.seen().map(([, name]) => name)).size, 301);
  }
});

Deno.test("a watch that is slower than the history is long is ended", async () => {
  const { registry } = await opened({ historyLimits: { changesMax: 8, bytesMax: 1e9, ageMsMax: 1e9 } });
  const slow = new ListSink();
  slow.free = 0;
  const watch = registry.cache.watch(things, from(0), slow);
  for (let index = 0; index < 20; index++) await registry.insert(things, thing(`t${index}`));
  slow.free = 1;
  watch.resume();
  ok(slow.ended);
  equal(registry.cache.watchCount, 0);
});

Deno.test("a sink that breaks loses its watch, and nobody else anything", async () => {
  const { registry } = await opened();
  const broken = new ListSink();
  broken.send = () => {
    throw new TypeError("the stream is gone");
  };
  const whole = new ListSink();
  registry.cache.watch(things, from(0), broken).resume();
  registry.cache.watch(things, from(0), whole).resume();
  await registry.insert(things, thing("a"));
  await registry.insert(things, thing("b"));
  deepEqual([whole.events.length, broken.ended, registry.cache.watchCount], [2, true, 1]);
});

Deno.test("bookmarks come only to those who ask, and tell the newest revision", async () => {
  const { registry, clock } = await opened();
  const [asked, silent] = [new ListSink(), new ListSink()];
  registry.cache.watch(things, from(0, { namespace: "other" }), silent).resume();
  registry.cache.watch(things, { ...from(0, { namespace: "other" }), bookmarks: true }, asked).resume();
  await registry.insert(things, thing("a"));
  clock.advance(61_000);
  deepEqual([asked.seen(), silent.seen()], [[["BOOKMARK", "", "1"]], []]);
});

Deno.test("a bookmark that cannot be shown ends its watch, not the timer's process", async () => {
  const { registry, clock } = await opened();
  const sink = new ListSink();
  const form = {
    ...JSON_FORM,
    encode: () => {
      throw new TypeError("there is no such form");
    },
  };
  const scope = { namespace: "other" };
  registry.cache.watch(things, { ...from(0, scope), form, bookmarks: true }, sink).resume();
  await registry.insert(things, thing("a"));
  clock.advance(61_000);
  deepEqual([sink.seen().map(([type]) => type), sink.ended], [["ERROR"], true]);
});

Deno.test("a page of large objects ends before its limit, and is never empty", async () => {
  const { registry } = await opened();
  for (const name of ["a", "b", "c", "d"]) await registry.insert(things, thing(name, "x".repeat(1000)));
  const cache = registry.cache.of(things);
  const names: string[][] = [];
  for (let token: string | undefined, bytesMax = 2800; names.length < 4; bytesMax = 10) {
    const page = cache.page({}, registry.cache.revision, {
      limit: 3,
      bytesMax,
      ...(token !== undefined && { token: parseContinue(token) }),
    });
    names.push(page.objects.map(({ name }) => name));
    deepEqual(page.remaining ?? 0, 4 - names.flat().length);
    token = page.continue;
    if (token === undefined) break;
  }
  deepEqual(names, [["a", "b"], ["c"], ["d"]]);
});

Deno.test("later pages of a list are of the first page's revision", async () => {
  const { registry } = await opened();
  const objects = [];
  for (const name of ["a", "b", "c", "d"]) objects.push(await registry.insert(things, thing(name)));
  const cache = registry.cache.of(things);
  const first = cache.page({}, registry.cache.revision, { limit: 2 });
  deepEqual([first.objects.map((object) => object.name), first.remaining, first.revision], [["a", "b"], 2, 4]);
  await registry.remove(things, objects[2]!);
  await registry.insert(things, thing("cc"));
  await registry.replace(things, thing("d", "red"), objects[3]!);
  const second = cache.page({}, registry.cache.revision, { limit: 5, token: parseContinue(first.continue!) });
  deepEqual(second.objects.map((object) => [object.name, object.revision]), [["c", 3], ["d", 4]]);
  deepEqual([second.revision, second.continue], [4, undefined]);
});

Deno.test("a page of a forgotten revision is refused with a token for the newest state", async () => {
  const { registry } = await opened({ historyLimits: { changesMax: 8, bytesMax: 1e9, ageMsMax: 1e9 } });
  for (const name of ["a", "b", "c"]) await registry.insert(things, thing(name));
  const cache = registry.cache.of(things);
  const token = cache.page({}, 3, { limit: 1 }).continue!;
  for (let index = 0; index < 20; index++) await registry.insert(things, thing(`t${index}`));
  let fresh: string | undefined;
  try {
    cache.page({}, 23, { limit: 1, token: parseContinue(token) });
  } catch (error) {
    ok(error instanceof StatusError && error.status.code === 410);
    fresh = error.status.metadata.continue;
  }
  const page = cache.page({}, 23, { limit: 3, token: parseContinue(fresh!) });
  deepEqual([page.objects.map((object) => object.name), page.revision], [["b", "c", "t0"], 23]);
});

Deno.test("whatever is written, a list replayed with its watch equals a later list, and the past reads as it was", async () => {
  const write = fc.record({
    namespace: fc.constantFrom("x", "y"),
    name: fc.constantFrom("a", "b", "c"),
    color: fc.constantFrom("red", "blue", "gone"),
  });
  const scope = fc.record({ namespace: fc.constantFrom(undefined, "x"), filter: fc.constantFrom(undefined, red) });
  await fc.assert(
    fc.asyncProperty(fc.array(write), fc.nat(), scope, fc.nat(3), async (writes, cut, { namespace, filter }, room) => {
      const { registry } = await opened();
      const scope: Scope = { ...(namespace && { namespace }), ...(filter && { filter }) };
      const cutAt = writes.length === 0 ? 0 : cut % (writes.length + 1);
      const past: [number, string[]][] = [];
      let replay: Map<string, string> | undefined;
      const sink = new ListSink();
      let watch;
      for (let index = 0; index <= writes.length; index++) {
        past.push([registry.cache.revision, shown(registry.cache.of(things).newest(scope))]);
        if (index === cutAt) {
          const list = registry.cache.of(things).newest(scope);
          replay = new Map(list.map((object) => [key(object), String(object.revision)]));
          watch = registry.cache.watch(things, from(registry.cache.revision, scope), sink);
        }
        sink.free = index % (room + 1) === 0 ? 1 : 0;
        watch?.resume();
        if (index < writes.length) await writeOne(registry, writes[index]!);
      }
      sink.free = 1;
      watch!.resume();
      for (const [type, , revision, object] of sink.full()) {
        const at = `${object.metadata.namespace}/${object.metadata.name}`;
        equal(replay!.has(at), type !== "ADDED", `${type} of ${at}`);
        if (type === "DELETED") replay!.delete(at);
        else replay!.set(at, revision);
      }
      const later = registry.cache.of(things).newest(scope);
      deepEqual(replay, new Map(later.map((object) => [key(object), String(object.revision)])));
      for (const [revision, names] of past) deepEqual(shown(registry.cache.of(things).asOf(scope, revision)!), names);
    }),
  );
});

async function writeOne(
  registry: Registry,
  { namespace, name, color }: { namespace: string; name: string; color: string },
) {
  const present = registry.newest(things, namespace, name);
  if (color === "gone") { if (present) await registry.remove(things, present); }
  else if (present) await registry.replace(things, thing(name, color, namespace), present);
  else await registry.insert(things, thing(name, color, namespace));
}

async function opened(options?: RegistryOptions) {
  const clock = new FakeClock();
  const writer = await new MemoryStore().openWriter({ name: "test" }, new AbortController().signal);
  return { registry: await Registry.open(writer, [things], clock, options), clock };
}

function thing(name: string, color?: string, namespace = "default"): ObjectData {
  return { metadata: { name, namespace, ...(color && { labels: { color } }) } };
}

function from(after: number, scope: Scope = {}): WatchOptions {
  return {
    user: "test",
    scope,
    form: JSON_FORM,
    from: { after },
    bookmarks: false,
    marksInitialEnd: false,
    bookmark: (metadata) => ({
      namespace: "",
      name: "",
      uid: "",
      revision: 0,
      labels: {},
      fields: {},
      json: new TextEncoder().encode(JSON.stringify({ metadata })),
    }),
  };
}

function key(object: StoredObject): string {
  return `${object.namespace}/${object.name}`;
}

function shown(objects: readonly StoredObject[]): string[] {
  return objects.map((object) => `${key(object)}@${object.revision}=${parseObject(object).metadata.labels?.color}`);
}

/** Keeps what it is sent. */
class ListSink implements EventSink {
  free = 1;
  ended = false;
  readonly events: EncodedEvent[] = [];
  room() {
    return this.free;
  }
  send(events: readonly EncodedEvent[]) {
    this.events.push(...events);
  }
  end() {
    this.ended = true;
  }
  text(index: number): string {
    return new TextDecoder().decode(this.events[index]!.object);
  }
  full(): [string, string, string, ObjectData][] {
    return this.events.map((event, index) => {
      const object: ObjectData = JSON.parse(this.text(index));
      return [event.type, object.metadata.name ?? "", object.metadata.resourceVersion!, object];
    });
  }
  seen() {
    return this.full().map(([type, name, revision]) => [type, name, revision]);
  }
}
