/** What was measured and kept: a file a benchmark, a line a run, and the document that is made of the newest. */
import { readIfThere } from "@k3ts/tools/files";
import { ROOT } from "@k3ts/tools/paths";
import type { Run } from "./core/benchmark.ts";
import { renderDocument } from "./core/render.ts";

const FOLDER = `${ROOT}/bench/history`;
const DOCUMENT = `${ROOT}/docs/benchmarks.md`;

/** What is older goes. */
const RUNS_MAX = 50;

/** Appends a run to its history. @throws when it is one that only shows that the benchmark works */
export async function keepRun(run: Run, folder: string = FOLDER): Promise<void> {
  if (run.quick) throw new Error(`Cannot keep the run of ${run.benchmark} as it must not be quick: it is`);
  await Deno.mkdir(folder, { recursive: true });
  const path = `${folder}/${run.benchmark}.jsonl`;
  const runs = [...await readRuns(path), run].slice(-RUNS_MAX);
  await Deno.writeTextFile(`${path}.new`, runs.map((run) => `${JSON.stringify(run)}\n`).join(""));
  await Deno.rename(`${path}.new`, path);
}

/** @param names of benchmarks, in the order of the document */
export async function writeDocument(names: readonly string[]): Promise<void> {
  const newest: Run[] = [];
  for (const name of names) newest.push(...(await readRuns(`${FOLDER}/${name}.jsonl`)).slice(-1));
  await Deno.writeTextFile(DOCUMENT, renderDocument(newest));
}

export async function readRuns(path: string): Promise<Run[]> {
  const text = await readIfThere(path) ?? "";
  return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Run);
}
