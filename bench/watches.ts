/** Watches that all begin at once, each with everything that is there: what clients do after a restart. */
import { delay } from "@k3ts/client";
import { memoryOf, usedBetween, useOf } from "@k3ts/tools/processes";
import { quantile, round, type Table } from "./report.ts";
import { Folder } from "./store_folder.ts";

const WATCHED = 20_000;
const WATCHES = 2_000;
const SETTLE_MS = 10_000;

const encoder = new TextEncoder();

export async function* watches(): AsyncGenerator<Table> {
  await using folder = await Folder.make("sqlite");
  await folder.fill(await folder.podAsStored(), WATCHED, { keepHistory: false });
  await using server = await folder.serve();
  const { rss } = await memoryOf(server.child.pid);
  const begin = performance.now();
  const times = await Promise.all(
    Array.from({ length: WATCHES }, async () => {
      await readInitial(`${folder.path}/socket`);
      return (performance.now() - begin) / 1000;
    }),
  );
  const used = usedBetween(new Map(), await useOf(server.child.pid)).seconds;
  const peak = Number((await Deno.readTextFile(`/proc/${server.child.pid}/status`)).match(/^VmHWM:\s+(\d+)/m)![1]) /
    1024;
  await delay(SETTLE_MS, AbortSignal.timeout(SETTLE_MS * 2));
  const later = await memoryOf(server.child.pid);
  yield {
    title: `${WATCHES} watches that begin at once with ${WATCHED} pods`,
    columns: ["", "p50 s", "last s", "server CPU s", "RSS MB before", "peak", `${SETTLE_MS / 1000} s later`],
    rows: [["to the end of what was there", quantile(times, 0.5), Math.max(...times), used, rss, peak, later.rss].map(
      (cell) => typeof cell === "number" ? round(cell) : cell,
    )],
  };
}

/** Until the bookmark that says that everything that was there has been told. */
async function readInitial(socket: string): Promise<void> {
  const query = "watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan";
  using connection = await Deno.connect({ transport: "unix", path: socket });
  await connection.write(encoder.encode(`GET /api/v1/pods?${query} HTTP/1.1\r\nhost: api\r\n\r\n`));
  const mark = "initial-events-end";
  const decoder = new TextDecoder("latin1");
  const buffer = new Uint8Array(64 * 1024);
  let end = "";
  for (;;) {
    const read = await connection.read(buffer);
    if (read === null) throw new Error(`the watch has ended: ${end}`);
    end += decoder.decode(buffer.subarray(Math.max(0, read - 512), read));
    if (end.includes(mark)) return;
    end = end.slice(-mark.length);
  }
}
