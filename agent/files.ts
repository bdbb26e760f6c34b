/** Files that are either whole or not there. */
import { randomBytes } from "node:crypto";
import { lstatSync } from "node:fs";
import { dirname } from "node:path";

/** Writes beside the target, syncs, renames: a reader sees the old or the new content, also after a crash. */
export async function writeAtomically(
  path: string,
  content: string | Uint8Array,
  options: { mode?: number; sync?: boolean } = {},
): Promise<void> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const beside = `${path}.${randomBytes(4).toString("hex")}.new`;
  try {
    const file = await Deno.open(beside, { write: true, createNew: true, mode: options.mode ?? 0o600 });
    try {
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
      if (options.sync ?? true) await file.syncData();
    } finally {
      file.close();
    }
    await Deno.rename(beside, path);
  } catch (error) {
    await removeIfThere(beside);
    throw new Error(`Cannot write "${path}" atomically as its folder "${dirname(path)}" must take files`, {
      cause: error,
    });
  }
}

export async function removeIfThere(path: string, options: { recursive?: boolean } = {}): Promise<void> {
  try {
    await Deno.remove(path, options);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** The text of a file; undefined when there is none. */
export async function readTextIfThere(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}

/** A JSON file's value; undefined when there is none. A file that is not JSON is an error that names it. */
export async function readJsonIfThere<T>(path: string): Promise<T | undefined> {
  const text = await readTextIfThere(path);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new Error(`Cannot read "${path}" as it must be JSON`, { cause: error });
  }
}

/**
 * As {@linkcode readJsonIfThere}, for what is had again or can be done without: a file that was cut short counts as
 * none. A loss of power leaves it where the content was not on disk yet.
 *
 * @param torn is told of such a file
 */
export async function readJsonIfWhole<T extends object>(
  path: string,
  torn: (error: Error) => void,
): Promise<T | undefined> {
  const text = await readTextIfThere(path);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as T;
    throw new Error("it holds no object");
  } catch (cause) {
    torn(new Error(`Cannot read "${path}" as it must be JSON that is whole`, { cause }));
    return undefined;
  }
}

export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}

/** As {@linkcode exists}, without waiting: for what is asked with every pod, where handing it on costs more than it. */
export function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** The names in a folder, sorted; none when there is no such folder. */
export async function namesIn(directory: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(directory)) names.push(entry.name);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names.sort();
}

/** A small file of the machine's own, such as /etc/hosts; empty where it has none. Read without waiting. */
export function readHostFile(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
