/** The files of runs: a folder each, with its result, which is also what a run that was cut off goes on from, and logs. */
import { ROOT } from "../e2e/machine.ts";
import type { Result } from "./outcome.ts";

const RUNS_KEPT = 20;

export class RunFolder {
  #saved: Promise<void> = Promise.resolve();

  private constructor(readonly path: string, readonly result: Result) {}

  static readonly usual = `${ROOT}/.k3ts/conformance`;

  /** A new one; the oldest runs go. */
  static async make(parent: string, result: Result): Promise<RunFolder> {
    const path = `${parent}/${result.started.replace(/\.\d+Z$/, "Z").replace(/[:-]/g, "")}`;
    await Deno.mkdir(`${path}/logs`, { recursive: true });
    const folder = new RunFolder(path, result);
    await folder.save();
    const names = await namesIn(parent);
    for (const name of names.slice(0, -RUNS_KEPT)) await Deno.remove(`${parent}/${name}`, { recursive: true });
    return folder;
  }

  /** Of all runs, the oldest first. */
  static async all(parent: string): Promise<RunFolder[]> {
    const folders: RunFolder[] = [];
    for (const name of await namesIn(parent)) {
      const text = await Deno.readTextFile(`${parent}/${name}/result.json`);
      folders.push(new RunFolder(`${parent}/${name}`, JSON.parse(text) as Result));
    }
    return folders;
  }

  /** Whatever ends this process, the file is whole. One write at a time, as tests end whenever they do. */
  save(): Promise<void> {
    const saved = this.#saved.then(() => this.#write());
    this.#saved = saved.catch(() => {}); // whoever asked for it is told
    return saved;
  }

  async #write(): Promise<void> {
    const path = `${this.path}/result.json`;
    await Deno.writeTextFile(`${path}.new`, `${JSON.stringify(this.result, null, 1)}\n`);
    await Deno.rename(`${path}.new`, path);
  }

  /** Of a test of the run, relative to the folder. */
  logOf(name: string): string {
    return `logs/${String(this.result.tests.indexOf(name) + 1).padStart(3, "0")}.txt`;
  }
}

/** Of folders that hold a result. */
async function namesIn(parent: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(parent)) {
      if (await Deno.stat(`${parent}/${name}/result.json`).then(() => true, () => false)) names.push(name);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names.sort();
}

/** The newest run of the same tests that was cut off, if no later one of them was finished. */
export function unfinished(folders: readonly RunFolder[], selection: string, suite: string): RunFolder | undefined {
  const newest = folders.filter(({ result }) => result.selection === selection && result.suite === suite).at(-1);
  return newest?.result.finished === undefined ? newest : undefined;
}
