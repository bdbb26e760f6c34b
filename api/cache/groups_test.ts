import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { FakeClock } from "@k3ts/model/testing";
import { MemoryStore } from "../store/memory.ts";
import type { RegistryOptions } from "../registry/options.ts";
import { Registry } from "../registry/registry.ts";
import type { ObjectData, StoredResource } from "../registry/stored_object.ts";
import { type EncodedEvent, type Form, JSON_FORM } from "./encoding.ts";
import type { Channel, Publisher } from "./groups.ts";
import type { Scope } from "./resource_cache.ts";
import type { JoiningSink, Watch, WatchOptions } from "./watch.ts";

const things: StoredResource = { group: "", resource: "things", fieldsOf: () => ({}) };

Deno.test("what many watch is sent once, from where each has read by itself", async () => {
  const { registry } = await opened();
  await registry.insert(things, thing("a"));
  const gateway = new Gateway();
  const early = watched(registry, gateway, { after: 0 });
  await registry.insert(things, thing("b"));
  const late = watched(registry, gateway, "newest");
  await registry.insert(things, thing("c"));
  deepEqual([early.heard(), late.heard()], [["ADDED a", "ADDED b", "ADDED c"], ["ADDED a", "ADDED b", "ADDED c"]]);
  equal(gateway.published, 2);
  equal(gateway.channels.size, 1);
});

Deno.test("views are not mixed, and a group ends with its last member", async () => {
  const { registry } = await opened();
  const gateway = new Gateway();
  const all = watched(registry, gateway, { after: 0 });
  const some = watched(registry, gateway, { after: 0 }, { namespace: "x" });
  const other = watched(registry, gateway, { after: 0 }, { namespace: "x" });
  await registry.insert(things, thing("a"));
  await registry.insert(things, thing("b", "x"));
  deepEqual([all.heard(), some.heard(), other.heard()], [["ADDED a", "ADDED b"], ["ADDED b"], ["ADDED b"]]);
  equal(gateway.channels.size, 2);
  some.watch.end();
  equal(gateway.channels.size, 2);
  other.watch.end();
  deepEqual([gateway.channels.size, some.ended, registry.cache.watchCount], [1, true, 1]);
  await registry.insert(things, thing("c", "x"));
  equal(some.heard().length, 1);
});

Deno.test("a gateway that takes nothing holds up nobody else, and a watch that begins meanwhile misses nothing", async () => {
  const { registry } = await opened();
  const [stuck, free] = [new Gateway(), new Gateway()];
  const first = watched(registry, stuck, { after: 0 });
  const elsewhere = watched(registry, free, { after: 0 });
  stuck.free = 0;
  await registry.insert(things, thing("a"));
  const second = watched(registry, stuck, "newest");
  await registry.insert(things, thing("b"));
  deepEqual([first.heard(), second.heard(), elsewhere.heard()], [[], ["ADDED a", "ADDED b"], ["ADDED a", "ADDED b"]]);
  stuck.goOn();
  await registry.insert(things, thing("c"));
  deepEqual([first.heard(), second.heard()], [["ADDED a", "ADDED b", "ADDED c"], ["ADDED a", "ADDED b", "ADDED c"]]);
  ok(second.joined);
});

Deno.test("a gateway that takes nothing for longer than the history is long loses its watches", async () => {
  const { registry } = await opened({ historyLimits: { changesMax: 8, bytesMax: 1e9, ageMsMax: 1e9 } });
  const gateway = new Gateway();
  const two = [watched(registry, gateway, { after: 0 }), watched(registry, gateway, { after: 0 })];
  gateway.free = 0;
  for (let index = 0; index < 20; index++) await registry.insert(things, thing(`t${index}`));
  gateway.goOn();
  deepEqual([two.map((one) => one.ended), registry.cache.watchCount, gateway.channels.size], [[true, true], 0, 0]);
});

Deno.test("an object that has no such form ends its group with an error, and no other", async () => {
  const { registry } = await opened();
  const gateway = new Gateway();
  const form: Form = {
    ...JSON_FORM,
    id: "picky",
    encode(object) {
      if (object.name === "b") throw new TypeError("no such form");
      return object.json;
    },
  };
  const picky = watched(registry, gateway, { after: 0 }, {}, { form });
  const whole = watched(registry, gateway, { after: 0 });
  await registry.insert(things, thing("a"));
  await registry.insert(things, thing("b"));
  deepEqual([picky.heard(), picky.ended], [["ADDED a", "ERROR "], true]);
  deepEqual([whole.heard(), whole.ended], [["ADDED a", "ADDED b"], false]);
});

Deno.test("members are told bookmarks by themselves, if they have asked and have been told everything", async () => {
  const { registry, clock } = await opened();
  const gateway = new Gateway();
  const asked = watched(registry, gateway, { after: 0 }, { namespace: "other" }, { bookmarks: true });
  const silent = watched(registry, gateway, { after: 0 }, { namespace: "other" });
  await registry.insert(things, thing("a"));
  clock.advance(61_000);
  deepEqual([asked.heard(), silent.heard()], [["BOOKMARK "], []]);
  clock.advance(61_000);
  equal(asked.heard().length, 1, "nothing has changed since");
  await registry.insert(things, thing("b", "other"));
  gateway.free = 0;
  await registry.insert(things, thing("c", "other"));
  clock.advance(61_000);
  deepEqual([asked.heard(), silent.heard()], [["BOOKMARK ", "ADDED b"], ["ADDED b"]]);
});

Deno.test("whatever is written and whenever watches begin, join and stall, each sees what a list then a list shows", async () => {
  const write = fc.record({
    do: fc.constant("write" as const),
    namespace: fc.constantFrom("x", "y"),
    name: fc.constantFrom("a", "b", "c"),
    color: fc.constantFrom("red", "blue", "gone"),
  });
  const begin = fc.record({
    do: fc.constant("begin" as const),
    namespace: fc.constantFrom(undefined, "x"),
    red: fc.boolean(),
    newest: fc.boolean(),
    /** Bytes that it takes by itself before it must be asked again. */
    own: fc.constantFrom(0, 1),
  });
  const others = (["stall", "go on", "resume"] as const).map((one) => fc.record({ do: fc.constant(one) }));
  await fc.assert(fc.asyncProperty(fc.array(fc.oneof(write, begin, ...others), { maxLength: 60 }), async (steps) => {
    const { registry } = await opened();
    const gateway = new Gateway();
    const all: { stream: Stream; seen: Map<string, string>; scope: Scope; newest: boolean }[] = [];
    const isRed = (object: { labels: Readonly<Record<string, string>> }) => object.labels.color === "red";
    const listed = (scope: Scope) =>
      new Map(
        registry.cache.of(things).newest(scope).map((one) => [`${one.namespace}/${one.name}`, String(one.revision)]),
      );
    for (const step of steps) {
      if (step.do === "write") await writeOne(registry, step);
      else if (step.do === "stall") gateway.free = 0;
      else if (step.do === "go on") gateway.goOn();
      else if (step.do === "resume") { for (const { stream } of all) stream.goOn(); }
      else if ("newest" in step) {
        const scope: Scope = {
          ...(step.namespace !== undefined && { namespace: step.namespace }),
          ...(step.red && { filter: isRed }),
        };
        const from = step.newest ? "newest" as const : { after: registry.cache.revision };
        const stream = new Stream(gateway);
        stream.free = step.own;
        // One view for all that see the same, filters included.
        const view = `${step.namespace}/${step.red}`;
        all.push({ stream, seen: step.newest ? new Map() : listed(scope), scope, newest: step.newest });
        stream.begin(registry, { ...options(from, scope), view });
      }
    }
    gateway.goOn();
    for (const { stream } of all) stream.goOn();
    for (const { stream, seen, scope, newest } of all) {
      let last = 0;
      for (const { type, object } of stream.events()) {
        const at = `${object.metadata.namespace}/${object.metadata.name}`;
        const revision = Number(object.metadata.resourceVersion);
        equal(seen.has(at), type !== "ADDED", `${type} of ${at}`);
        if (type === "DELETED") seen.delete(at);
        else seen.set(at, String(revision));
        // What was there at the beginning comes in the order of names.
        ok(newest || revision > last, `${revision} after ${last}`);
        last = revision;
      }
      deepEqual(seen, listed(scope));
      equal(stream.ended, false);
    }
  }));
});

async function writeOne(
  registry: Registry,
  { namespace, name, color }: { namespace: string; name: string; color: string },
) {
  const present = registry.newest(things, namespace, name);
  if (color === "gone") { if (present) await registry.remove(things, present); }
  else if (present) await registry.replace(things, thing(name, namespace, color), present);
  else await registry.insert(things, thing(name, namespace, color));
}

async function opened(options?: RegistryOptions) {
  const clock = new FakeClock();
  const writer = await new MemoryStore().openWriter({ name: "test" }, new AbortController().signal);
  return { registry: await Registry.open(writer, [things], clock, options), clock };
}

function thing(name: string, namespace = "default", color?: string): ObjectData {
  return { metadata: { name, namespace, ...(color && { labels: { color } }) } };
}

function options(from: WatchOptions["from"], scope: Scope): WatchOptions {
  return {
    user: "test",
    scope,
    form: JSON_FORM,
    view: JSON.stringify(scope),
    from,
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

function watched(
  registry: Registry,
  gateway: Gateway,
  from: WatchOptions["from"],
  scope: Scope = {},
  more: Partial<WatchOptions> = {},
): Stream {
  const stream = new Stream(gateway);
  const all = { ...options(from, scope), ...more };
  stream.begin(registry, { ...all, view: `${all.view}/${all.form.id}` });
  return stream;
}

/** Holds streams, and tells them what their channels are sent. */
class Gateway implements Publisher {
  free = 1;
  published = 0;
  readonly channels = new Map<number, { streams: Stream[]; resume: () => void }>();
  #next = 1;

  open(resume: () => void): Channel {
    const id = this.#next++;
    const streams: Stream[] = [];
    this.channels.set(id, { streams, resume });
    return {
      id,
      room: () => this.free,
      send: (events) => {
        this.published += events.length;
        for (const stream of streams) stream.sent.push(...events);
      },
      end: () => void this.channels.delete(id),
    };
  }

  goOn(): void {
    this.free = 1;
    for (const { resume } of [...this.channels.values()]) resume();
  }
}

class Stream implements JoiningSink {
  free = 1;
  ended = false;
  joined = false;
  readonly sent: EncodedEvent[] = [];
  watch!: Watch;

  constructor(readonly gateway: Gateway) {}

  begin(registry: Registry, options: WatchOptions): void {
    this.watch = registry.cache.watch(things, options, this);
    this.watch.resume();
  }

  goOn(): void {
    this.free = 1;
    this.watch.resume();
  }

  room(): number {
    return this.joined ? this.gateway.free : this.free;
  }

  send(events: readonly EncodedEvent[]): void {
    this.sent.push(...events);
  }

  publisher(): Publisher {
    return this.gateway;
  }

  join(channel: Channel): void {
    this.joined = true;
    this.gateway.channels.get(channel.id)!.streams.push(this);
  }

  end(): void {
    this.ended = true;
    for (const { streams } of this.gateway.channels.values()) {
      if (streams.includes(this)) streams.splice(streams.indexOf(this), 1);
    }
  }

  events(): { type: string; object: ObjectData }[] {
    return this.sent.map(({ type, object }) => ({ type, object: JSON.parse(new TextDecoder().decode(object)) }));
  }

  heard(): string[] {
    return this.events().map(({ type, object }) => `${type} ${object.metadata?.name ?? ""}`);
  }
}
