/** Durable writes, one change a commit, from within a process. */
import type { StoreWriter } from "@k3ts/api";
import { type EngineName, openNative } from "@k3ts/ffi";
import { diskStore } from "@k3ts/server/stores";
import type { Benchmark, Figure, Sample, Setting, Side, Sides } from "../core/benchmark.ts";
import { usedDuring } from "../sides/control_plane.ts";

const CONCURRENCIES = [1, 16, 64];
const APPEND = "append and fdatasync";

const rate = (concurrency: number) => `writes, ${concurrency} in flight`;
const cpu = (concurrency: number) => `CPU time of a write, ${concurrency} in flight`;

export const store: Benchmark = {
  name: "store",
  what:
    "Values of a pod's size are written to the store, each answered when it is on the disk. k3ts is its default engine, " +
    "SlateDB; the same with SQLite; and what the disk does at best for one writer: each value appended to a file and " +
    "synced.",
  rounds: 8,
  parameters: { writes: 1_000, bytes: 2_000 },
  quick: { writes: 100 },
  figures: CONCURRENCIES.flatMap((concurrency): Figure[] => [
    { name: rate(concurrency), unit: "1/s", better: "more" },
    { name: cpu(concurrency), unit: "µs", better: "less" },
  ]),
  open,
};

/** Writes one value under one of a thousand keys. */
type Write = (number: number, value: Uint8Array<ArrayBuffer>) => Promise<unknown>;

async function open({ parameters, peers }: Setting): Promise<Sides> {
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "k3ts-bench-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const side = (name: string, write: Write, concurrencies: number[]): Side => {
    let next = 1;
    return {
      name,
      measure: async () => {
        const sample: Record<string, number> = {};
        for (const concurrency of concurrencies) {
          Object.assign(sample, await measure(write, next, concurrency, parameters));
          next += parameters.writes!;
        }
        return sample;
      },
    };
  };
  const engine = async (name: EngineName): Promise<Write> => {
    const native = stack.use(await openNative());
    const disk = diskStore({ native, path: `${folder}/${name}`, engine: name });
    const writer: StoreWriter = stack.use(await disk.openWriter({ name: "bench" }, new AbortController().signal));
    return (revision, value) =>
      writer.append({ changes: [{ type: "put", key: `objects/pods/default/w-${revision % 1000}`, value, revision }] });
  };
  const sides: [Side, ...Side[]] = [side("k3ts", await engine("slatedb"), CONCURRENCIES)];
  if (peers) {
    sides.push(side("with SQLite", await engine("sqlite"), CONCURRENCIES));
    const file = stack.use(await Deno.open(`${folder}/appended`, { create: true, append: true }));
    const append: Write = async (_, value) => {
      await file.write(value);
      await file.syncData();
    };
    sides.push(side(APPEND, append, [1]));
  }
  const kept = stack.move();
  return { sides, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function measure(
  write: Write,
  first: number,
  concurrency: number,
  { writes, bytes }: Record<string, number>,
): Promise<Sample> {
  const value = crypto.getRandomValues(new Uint8Array(bytes!));
  let next = first;
  const begin = performance.now();
  const { all } = await usedDuring({ self: Deno.pid }, async () => {
    const lane = async () => {
      while (next < first + writes!) await write(next++, value);
    };
    await Promise.all(Array.from({ length: concurrency }, lane));
  });
  const seconds = (performance.now() - begin) / 1000;
  return { [rate(concurrency)]: writes! / seconds, [cpu(concurrency)]: all.seconds / writes! * 1e6 };
}
