/** A process that is killed at any moment loses no write that it has acknowledged. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { Change, Revision, Store, StoreWriter } from "@k3ts/api";
import { openNative } from "@k3ts/ffi";
import { diskStore } from "@k3ts/server/stores";
import { valueOf } from "./store_values.ts";

const ROUNDS = 30;
/** Of writing, before the kill. */
const WRITE_MS_MAX = 400;
/** In every fourth round the kill comes this soon after the start, mostly while the store opens. */
const START_MS_MAX = 300;
/** History that is left by the compaction after every fifth round. */
const KEPT_REVISIONS = 500;

const WRITER = fileURLToPath(new URL("./store_writer.ts", import.meta.url));
const signal = new AbortController().signal;

Deno.test("30 kills lose no acknowledged write and leave no gap in the history", async () => {
  const path = await Deno.makeTempDir({ prefix: "k3ts-kill-" });
  const native = await openNative();
  try {
    const store = diskStore({ native, path });
    let acknowledged = 0;
    let historyBegin = 1;
    for (let round = 1; round <= ROUNDS; round++) {
      const told = await writeAndKill(path, round % 4 === 0);
      acknowledged = Math.max(acknowledged, told);
      historyBegin = await check(store, { round, acknowledged, historyBegin });
    }
    ok(acknowledged > ROUNDS, `only ${acknowledged} writes were acknowledged`);
    console.log(`${ROUNDS} kills, ${acknowledged} acknowledged writes, 0 lost`);
  } finally {
    await native.close();
    await Deno.remove(path, { recursive: true });
  }
});

/** @returns the last revision that was acknowledged, or 0 */
async function writeAndKill(path: string, early: boolean): Promise<Revision> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", WRITER, path],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const kill = () => child.kill("SIGKILL");
  if (early) setTimeout(kill, Math.random() * START_MS_MAX);
  let said = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    if (said === "" && !early) setTimeout(kill, Math.random() * WRITE_MS_MAX);
    said += text;
  }
  equal((await child.status).signal, "SIGKILL");
  // What follows the last line feed was cut off.
  const lines = said.split("\n").slice(0, -1);
  return Number(lines.at(-1) ?? 0);
}

/** Opens the store again and compares everything in it with what was written. Compacts now and then. */
async function check(
  store: Store,
  state: { round: number; acknowledged: Revision; historyBegin: Revision },
): Promise<Revision> {
  await using writer = await store.openWriter({ name: "check" }, signal);
  const history = (await Array.fromAsync(writer.changes(state.historyBegin - 1))).flat();
  const revision = history.at(-1)?.revision ?? state.historyBegin - 1;
  const lost = Math.max(0, state.acknowledged - revision);
  equal(lost, 0, `round ${state.round}: ${lost} acknowledged writes are lost`);
  history.forEach((change, index) => {
    equal(change.revision, state.historyBegin + index, `round ${state.round}: history has a gap`);
    deepEqual(change.value, valueOf(change.revision));
  });
  await checkNewest(writer, history, revision);
  if (state.round % 5 !== 0) return state.historyBegin;
  const begin = Math.max(state.historyBegin, revision + 1 - KEPT_REVISIONS);
  await writer.compact(begin);
  return begin;
}

/** The newest state is what the history leads to, as far as it goes back. */
async function checkNewest(writer: StoreWriter, history: Change[], revision: Revision): Promise<void> {
  const newest = new Map<string, Revision>();
  for await (const page of writer.load()) {
    equal(page.revision, revision);
    for (const entry of page.entries) {
      deepEqual(entry.value, valueOf(entry.revision));
      newest.set(entry.key, entry.revision);
    }
  }
  const last = new Map(history.map((change) => [change.key, change]));
  for (const [key, change] of last) equal(newest.get(key), change.type === "put" ? change.revision : undefined, key);
}
