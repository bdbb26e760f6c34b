/** The store: durable writes, and a server that starts with many objects. */
import { delay } from "@k3ts/client";
import type { EngineName } from "@k3ts/ffi";
import { memoryOf, usedBetween, useOf } from "@k3ts/tools/processes";
import { quantile, round, type Table } from "./report.ts";
import { Folder, podChange } from "./store_folder.ts";

const ENGINES: readonly EngineName[] = ["slatedb", "sqlite"];
const OBJECTS = 100_000;
const WRITE_MS = 3_000;
const CONCURRENCIES = [1, 16, 64];
const SETTLE_MS = 10_000;

export async function* store(): AsyncGenerator<Table> {
  const writes: Table["rows"] = [];
  const starts: Table["rows"] = [];
  for (const engine of ENGINES) {
    await using folder = await Folder.make(engine);
    const pod = await folder.podAsStored();
    for (const concurrency of CONCURRENCIES) {
      writes.push([engine, concurrency, ...await durable(folder, pod, concurrency)]);
    }
    await folder.fill(pod, OBJECTS, { keepHistory: true });
    starts.push([`${engine}, all of it written just now`, ...await started(folder)]);
    await folder.forgetHistory();
    starts.push([`${engine}, no history`, ...await started(folder)]);
  }
  yield {
    title: `Durable writes of a pod to the store, from within the process`,
    columns: ["", "in flight", "1/s", "p50 ms", "p95 ms", "µs of all threads"],
    rows: writes,
  };
  yield {
    title: `The API starts with ${OBJECTS} pods`,
    columns: ["", "s to ready", "CPU s", "RSS MB then", `RSS MB ${SETTLE_MS / 1000} s later`, "MB on disk"],
    rows: starts,
  };
}

/** @returns cells: a second, p50, p95, µs of a core each */
async function durable(folder: Folder, template: string, concurrency: number): Promise<string[]> {
  const times: number[] = [];
  let cells: string[] = [];
  await folder.write(async (writer, last) => {
    let next = last + 1;
    const before = await useOf(Deno.pid);
    const begin = performance.now();
    const writeOn = async () => {
      while (performance.now() - begin < WRITE_MS) {
        const at = performance.now();
        const revision = next++;
        await writer.append({ changes: [podChange(template, `w-${revision % 1000}`, revision)] });
        times.push(performance.now() - at);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, writeOn));
    const seconds = (performance.now() - begin) / 1000;
    const used = usedBetween(before, await useOf(Deno.pid));
    cells = [
      round(times.length / seconds),
      round(quantile(times, 0.5)),
      round(quantile(times, 0.95)),
      round(used.seconds / times.length * 1e6),
    ];
  });
  return cells;
}

/** @returns cells: seconds, CPU seconds, RSS, RSS later, size on disk */
async function started(folder: Folder): Promise<string[]> {
  const begin = performance.now();
  await using server = await folder.serve();
  const seconds = (performance.now() - begin) / 1000;
  const cpu = usedBetween(new Map(), await useOf(server.child.pid)).seconds;
  const { rss } = await memoryOf(server.child.pid);
  await delay(SETTLE_MS, AbortSignal.timeout(SETTLE_MS * 2));
  const later = await memoryOf(server.child.pid);
  return [...[seconds, cpu, rss, later.rss].map(round), String(await folder.megabytes())];
}
