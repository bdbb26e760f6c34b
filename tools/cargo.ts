/**
 * Cargo in the target folder that all checkouts on the machine share: `deno run -A tools/cargo.ts test -p k3ts-store`.
 *
 * Cargo names what it builds of a workspace alike in every checkout, and takes it for up to date where it is newer than
 * the sources. So whoever builds after another checkout did makes its sources new first, and one builds at a time.
 */
import { CACHE, ROOT } from "./paths.ts";
import { run, type RunOptions } from "./run.ts";

export const WORKSPACE: string = `${ROOT}/ffi`;

/** Names the checkout that has built last. */
const LAST = ".last-checkout";

/** @returns the exit code */
export type Cargo = (args: readonly string[], options?: RunOptions) => Promise<number>;

/** Lets work use cargo as the only one in its target folder. @returns what it does */
export async function inTarget<T>(
  work: (cargo: Cargo, target: string) => Promise<T>,
  { workspace = WORKSPACE, target = TARGET }: { workspace?: string; target?: string } = {},
): Promise<T> {
  await Deno.mkdir(target, { recursive: true });
  const last = `${target}/${LAST}`;
  using file = await Deno.open(last, { create: true, read: true, write: true });
  await file.lock(true);
  if (await Deno.readTextFile(last) !== workspace) {
    const now = new Date();
    for (const path of await sources(workspace)) await Deno.utime(path, now, now);
    await Deno.writeTextFile(last, workspace);
  }
  return await work(
    (args, options) => run(["cargo", ...args], { cwd: workspace, env: { CARGO_TARGET_DIR: target }, ...options }),
    target,
  );
}

/** Outside the checkout, so that a fresh clone builds in seconds. */
const TARGET: string = Deno.env.get("CARGO_TARGET_DIR") ?? `${CACHE}/target`;

/** All that cargo compiles of a workspace, and what tells it how. */
export async function sources(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory && entry.name !== "target") found.push(...await sources(path));
    if (entry.isFile && /\.rs$|^Cargo\.(toml|lock)$/.test(entry.name)) found.push(path);
  }
  return found;
}

if (import.meta.main) Deno.exit(await inTarget((cargo) => cargo(Deno.args)));
