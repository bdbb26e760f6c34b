/**
 * Writes to the store in a folder until it is killed, and says on standard output what was acknowledged: the last
 * revision of each batch, a line each.
 *
 *     deno run -A store_writer.ts FOLDER [ENGINE]
 */
import type { Batch, Change, Revision } from "@k3ts/api";
import { type EngineName, openNative } from "@k3ts/ffi";
import { diskStore } from "@k3ts/server/stores";
import { valueOf } from "./store_values.ts";

/** Batches under way at a time: enough that commits are shared. */
const UNDER_WAY = 16;
const KEYS = 300;

const encoder = new TextEncoder();

async function main(path: string, engine: EngineName): Promise<void> {
  const signal = new AbortController().signal;
  const store = diskStore({ native: await openNative(), path, engine });
  const writer = await store.openWriter({ name: "victim" }, signal);
  let next = 1;
  for await (const { revision } of writer.load()) next = revision + 1;
  const writeForEver = async () => {
    for (;;) {
      const batch = batchFrom(next, 1 + Math.floor(Math.random() * 5));
      next += batch.changes.length;
      await writer.append(batch);
      Deno.stdout.writeSync(encoder.encode(`${batch.changes.at(-1)!.revision}\n`));
    }
  };
  await Promise.all(Array.from({ length: UNDER_WAY }, writeForEver));
}

function batchFrom(first: Revision, length: number): Batch {
  return { changes: Array.from({ length }, (_, index) => changeAt(first + index)) };
}

function changeAt(revision: Revision): Change {
  const type = revision % 7 === 0 ? "delete" : "put";
  return { type, key: `keys/${revision % KEYS}`, value: valueOf(revision), revision };
}

await main(Deno.args[0]!, (Deno.args[1] ?? "slatedb") as EngineName);
