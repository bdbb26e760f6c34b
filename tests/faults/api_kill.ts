/**
 * An API whose process is killed at any moment: what it has acknowledged is there, and watchers who resume from where they
 * were see exactly that, each write once and in order, with nothing between but writes whose fate nobody was told.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { type EngineName, openNative } from "@k3ts/ffi";
import { diskStore } from "@k3ts/server/stores";
import { Api, type ConfigMap, Watcher, Writer } from "./api_clients.ts";
import { ApiProcess, VICTIM } from "./api_process.ts";
import { checkWrites, replayed } from "./histories.ts";
import { randomFrom } from "./random.ts";
import type { KillOptions } from "./store_kill.ts";
import { runAndKill } from "./victim.ts";

const WRITERS = 12;
const SELECTOR = "color=red";
/** History that is left by the compaction after every tenth round. */
const KEPT_REVISIONS = 3000;

/** @returns a sentence of figures @throws {AssertionError} when something is lost, or seen that was not */
export async function killApi({ engine, rounds, seed, log }: KillOptions): Promise<string> {
  const path = await Deno.makeTempDir({ prefix: "k3ts-kill-" });
  try {
    const random = randomFrom(seed);
    const writers = Array.from({ length: WRITERS }, (_, id) => new Writer(id, randomFrom(seed + id)));
    // Both begin with an empty collection.
    const all = new Watcher("", "1");
    const red = new Watcher(SELECTOR, "1");
    for (let number = 1; number <= rounds; number++) {
      let clients: Promise<unknown> | undefined;
      for await (const _ready of runAndKill(VICTIM, [path, engine], { number, random })) {
        clients ??= Promise.all([all, red, ...writers].map((client) => runOnce(path, client)));
      }
      await clients;
      if (number % 10 === 0) await compact(path, engine);
      if (number % 20 === 0) log?.(`${engine}: ${number} kills, ${all.seen.length} events seen`);
    }
    await finish(path, engine, [all, red]);
    const acknowledged = writers.flatMap((writer) => writer.acknowledged);
    const unknown = writers.flatMap((writer) => writer.unknown);
    ok(acknowledged.length > rounds, `only ${acknowledged.length} writes were acknowledged`);
    const seen = all.seen.filter(({ name }) => name !== "the-end");
    const { violations, made } = checkWrites({ seen, acknowledged, unknown });
    deepEqual(violations, []);
    return `API, ${engine}: ${rounds} kills, ${acknowledged.length} acknowledged writes, 0 lost; ` +
      `${all.seen.length} events seen by a watch that never listed, of them ${made.length} of ${unknown.length} ` +
      `writes whose fate nobody was told`;
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

async function runOnce(path: string, client: Watcher | Writer): Promise<void> {
  using api = new Api(path);
  await client.run(api);
}

/** Lets the watchers come to the end, and compares what they have been told with what is there. */
async function finish(path: string, engine: EngineName, watchers: Watcher[]): Promise<void> {
  await using _victim = await ApiProcess.start({ path, engine });
  using api = new Api(path);
  const response = await api.fetch("/api/v1/namespaces/default/configmaps", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ metadata: { name: "the-end", labels: { color: "red" } }, data: { count: "end" } }),
  });
  equal(response.status, 201);
  const end = Number((await response.json() as ConfigMap).metadata.resourceVersion);
  for (const watcher of watchers) {
    await watcher.run(api, end);
    equal(watcher.revision, end);
    const { items } = await api.list(watcher.selector);
    deepEqual(replayed(watcher.seen), new Map(items.map(({ metadata, data }) => [metadata.name, data.count])));
  }
}

async function compact(path: string, engine: EngineName): Promise<void> {
  await using native = await openNative();
  await using writer = await diskStore({ native, path: `${path}/store`, engine }).openWriter(
    { name: "compaction" },
    new AbortController().signal,
  );
  for await (const { revision } of writer.load()) {
    await writer.compact(Math.max(1, revision - KEPT_REVISIONS));
    break;
  }
}
