import { deepEqual, equal, rejects } from "node:assert/strict";
import type { Run } from "./core/benchmark.ts";
import { keepRun, readRuns } from "./history.ts";

function runAt(at: string, quick = false): Run {
  const sides = [{ name: "k3ts", values: { f: [1, 2, 3] } }];
  const about = { what: "", machine: "", command: "", commit: "", parameters: {}, figures: [], others: [], loads: [] };
  return { benchmark: "demo", at, quick, sides, ...about };
}

Deno.test("runs are kept a line each, the newest fifty", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (let number = 0; number < 53; number++) await keepRun(runAt(String(number)), folder);
    const runs = await readRuns(`${folder}/demo.jsonl`);
    deepEqual(runs.map(({ at }) => at), Array.from({ length: 50 }, (_, index) => String(index + 3)));
    deepEqual(runs.at(-1), runAt("52"));
    deepEqual((await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name), ["demo.jsonl"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a quick run is not kept, and where there is no history there are no runs", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await rejects(keepRun(runAt("now", true), folder), /must not be quick/);
    equal((await readRuns(`${folder}/demo.jsonl`)).length, 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
