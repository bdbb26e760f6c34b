/** A store whose process is killed at any moment loses no write that it has acknowledged, and has no gap in its history. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { Change, Revision, Store, StoreWriter } from "@k3ts/api";
import { type EngineName, openNative } from "@k3ts/ffi";
import { diskStore } from "@k3ts/server/stores";
import { randomFrom } from "./random.ts";
import { valueOf } from "./store_values.ts";
import { type Round, runAndKill } from "./victim.ts";

/** History that is left by the compaction after every fifth round. */
const KEPT_REVISIONS = 500;

const WRITER = fileURLToPath(new URL("./store_writer.ts", import.meta.url));
const never = new AbortController().signal;

export interface KillOptions {
  engine: EngineName;
  rounds: number;
  seed: number;
  /** Told now and then how far it has come. */
  log?: (text: string) => void;
}

/** @returns a sentence of figures @throws {AssertionError} when something is lost or wrong */
export async function killStore({ engine, rounds, seed, log }: KillOptions): Promise<string> {
  const path = await Deno.makeTempDir({ prefix: "k3ts-kill-" });
  const native = await openNative();
  try {
    const store = diskStore({ native, path, engine });
    const random = randomFrom(seed);
    let acknowledged = 0;
    let historyBegin = 1;
    for (let number = 1; number <= rounds; number++) {
      const told = await writeAndKill(path, engine, { number, random });
      acknowledged = Math.max(acknowledged, told);
      historyBegin = await check(store, { number, acknowledged, historyBegin });
      if (number % 20 === 0) log?.(`${engine}: ${number} kills, ${acknowledged} acknowledged writes, 0 lost`);
    }
    ok(acknowledged > rounds, `only ${acknowledged} writes were acknowledged`);
    return `store, ${engine}: ${rounds} kills, ${acknowledged} acknowledged writes, 0 lost`;
  } finally {
    await native.close();
    await Deno.remove(path, { recursive: true });
  }
}

/** @returns the last revision that was acknowledged, or 0 */
async function writeAndKill(path: string, engine: EngineName, round: Round): Promise<Revision> {
  let said = "";
  for await (const text of runAndKill(WRITER, [path, engine], round)) said += text;
  // What follows the last line feed was cut off.
  const lines = said.split("\n").slice(0, -1);
  return Number(lines.at(-1) ?? 0);
}

/** Opens the store again and compares everything in it with what was written. Compacts now and then. */
async function check(
  store: Store,
  state: { number: number; acknowledged: Revision; historyBegin: Revision },
): Promise<Revision> {
  await using writer = await store.openWriter({ name: "check" }, never);
  const history = (await Array.fromAsync(writer.changes(state.historyBegin - 1))).flat();
  const revision = history.at(-1)?.revision ?? state.historyBegin - 1;
  const lost = Math.max(0, state.acknowledged - revision);
  equal(lost, 0, `round ${state.number}: ${lost} acknowledged writes are lost`);
  history.forEach((change, index) => {
    equal(change.revision, state.historyBegin + index, `round ${state.number}: history has a gap`);
    deepEqual(change.value, valueOf(change.revision));
  });
  await checkNewest(writer, history, revision);
  if (state.number % 5 !== 0) return state.historyBegin;
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
