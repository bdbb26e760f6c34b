/**
 * Where peers lie, outside of every checkout: `bin/PROGRAM-VERSION`, each with a record beside it that is written
 * last. A program without its record was never finished; one that differs from it was damaged since.
 */
import { createHash } from "node:crypto";
import { statfs } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { readIfThere, removeIfThere, replace } from "../files.ts";
import { CACHE } from "../paths.ts";
import { output } from "../run.ts";

export const PEERS_FOLDER: string = `${CACHE}/peers`;

/** What is known of a file that is kept. */
interface FileRecord {
  bytes: number;
  sha256: string;
  /** A file that was not written to since needs no second look. */
  modifiedMs: number;
}

export type State = "sound" | "absent" | "damaged";

/**
 * @param thorough reads the whole file whenever it was last written, which takes a third of a second per 100 MB
 */
export async function stateOf(place: string, { thorough = false } = {}): Promise<State> {
  const record = await readRecord(place);
  const found = await statOrNothing(place);
  if (record === undefined || found === undefined) return "absent";
  if (found.size !== record.bytes) return "damaged";
  if (!thorough && modifiedMs(found) === record.modifiedMs) return "sound";
  return await sha256(place) === record.sha256 ? "sound" : "damaged";
}

/**
 * Puts a finished file in its place, at once and whole.
 * @param from on the same file system
 */
export async function keep(from: string, place: string): Promise<void> {
  const found = await Deno.stat(from);
  const record: FileRecord = { bytes: found.size, sha256: await sha256(from), modifiedMs: modifiedMs(found) };
  await Deno.mkdir(place.slice(0, place.lastIndexOf("/")), { recursive: true });
  await removeIfThere(recordOf(place)); // a record never stands beside a file that it does not describe
  await Deno.rename(from, place);
  await replace(recordOf(place), new TextEncoder().encode(JSON.stringify(record)));
}

/**
 * Runs one at a time on this machine, however many processes ask: builds take all cores and share their caches.
 * The lock is the kernel's, and ends with its process.
 *
 * @param isDone looked at now and then while another process has its turn: what is waited for may be done by it
 * @returns undefined when it was
 */
export async function withBuildLock<T>(
  work: () => Promise<T>,
  { isDone, onWait, signal, folder = PEERS_FOLDER }: {
    isDone: () => Promise<boolean>;
    onWait: () => void;
    signal?: AbortSignal;
    folder?: string;
  },
): Promise<T | undefined> {
  await Deno.mkdir(folder, { recursive: true });
  using file = await Deno.open(`${folder}/build.lock`, { create: true, write: true });
  for (let tries = 0; !await file.tryLock(true); tries++) {
    if (tries === 0) onWait();
    await delay(500, undefined, { signal });
    if (await isDone()) return undefined;
  }
  return await work();
}

/** MB (10^6 bytes) that a folder takes on the disk; a folder that is not there takes none. */
export async function megabytesOf(folder: string): Promise<number> {
  if (await statOrNothing(folder) === undefined) return 0;
  return Number((await output(["du", "-s", "--block-size=1000000", folder])).split(/\s/)[0]);
}

/** MB that may still be written where a path lies, or where it would be made. */
export async function freeMegabytes(path: string): Promise<number> {
  if (await statOrNothing(path) === undefined) return await freeMegabytes(path.slice(0, path.lastIndexOf("/")) || "/");
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize / 1e6;
}

function recordOf(place: string): string {
  return `${place}.json`;
}

async function readRecord(place: string): Promise<FileRecord | undefined> {
  const text = await readIfThere(recordOf(place));
  try {
    return text === undefined ? undefined : JSON.parse(text) as FileRecord;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function statOrNothing(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function modifiedMs(info: Deno.FileInfo): number {
  return info.mtime?.getTime() ?? 0;
}

async function sha256(path: string): Promise<string> {
  using file = await Deno.open(path);
  const hash = createHash("sha256");
  const buffer = new Uint8Array(1 << 20);
  for (;;) {
    const count = await file.read(buffer);
    if (count === null) return hash.digest("hex");
    hash.update(buffer.subarray(0, count));
  }
}
