/**
 * A copy of this checkout with something wrong in it, for tests that an instrument sees what it is there to see.
 *
 * ```ts
 * await using broken = await brokenTree([{ file: "api/verbs/get.ts", find: "status: 200", replace: "status: 500" }]);
 * const { code } = await broken.run(["task", "conformance", "--sample", "3"]);
 * notEqual(code, 0);
 * ```
 */
import { nativeFolder } from "@k3ts/ffi";
import { type Output, ROOT } from "../e2e/machine.ts";
import { folderOf, freshName, sweep, sweepDeadRuns } from "../e2e/sweep.ts";

/** A text of one file, and what stands there instead. */
export interface Fault {
  /** Path from the root of the checkout. */
  file: string;
  /** Must be there once. */
  find: string;
  replace: string;
}

export interface BrokenTree extends AsyncDisposable {
  /** Of the copy, absolute. */
  readonly root: string;
  /** Runs Deno with these words in the copy, with the native parts of this checkout. */
  run(words: string[], options?: Deno.CommandOptions): Promise<Output>;
}

/** What is no source: history, what is built, what is downloaded. */
const LEFT_OUT = new Set([".git", ".k3ts", "node_modules", "target"]);

/**
 * Copies all files as they are now, committed or not, and replaces texts in the copy. The native parts are those of
 * this checkout, whatever is replaced in their sources.
 * @throws when a text is not there exactly once: the fault would not be what its test is about
 */
export async function brokenTree(faults: readonly Fault[]): Promise<BrokenTree> {
  await sweepDeadRuns();
  const test = await freshName();
  const root = folderOf(test, "tree");
  const tree: BrokenTree = {
    root,
    run: (words, options) => runIn(root, words, options),
    [Symbol.asyncDispose]: () => sweep(test),
  };
  try {
    await copy(ROOT, root);
    for (const fault of faults) await replaceOnce(root, fault);
    return tree;
  } catch (error) {
    await tree[Symbol.asyncDispose]();
    throw error;
  }
}

async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  const entries = await Array.fromAsync(Deno.readDir(from));
  await Promise.all(
    entries.filter(({ name }) => !LEFT_OUT.has(name)).map(async ({ name, isDirectory, isSymlink }) => {
      const [source, target] = [`${from}/${name}`, `${to}/${name}`];
      if (isSymlink) await Deno.symlink(await Deno.readLink(source), target);
      else if (isDirectory) await copy(source, target);
      else await copyFile(source, target);
    }),
  );
}

/** Somebody who edits the checkout may have taken the file away since its folder was read. */
async function copyFile(source: string, target: string): Promise<void> {
  await Deno.copyFile(source, target).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

async function replaceOnce(root: string, { file, find, replace }: Fault): Promise<void> {
  const text = await Deno.readTextFile(`${root}/${file}`);
  const count = text.split(find).length - 1;
  if (count !== 1) throw new Error(`Cannot break ${file} as it must have the text once: ${count} times ${find}`);
  await Deno.writeTextFile(`${root}/${file}`, text.replace(find, () => replace));
}

/** Runs Deno with these words in a checkout, with the native parts of this one. */
export async function runIn(root: string, words: string[], options: Deno.CommandOptions = {}): Promise<Output> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: words,
    cwd: root,
    stdin: "null",
    ...options,
    env: { K3TS_NATIVE: nativeFolder(), ...options.env },
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}
