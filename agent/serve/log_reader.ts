/** Reads a container's log as core/v1 PodLogOptions asks. */
import { basename, dirname } from "node:path";
import { concatBytes, equalJson } from "@k3ts/model/objects";
import { exists, namesIn } from "../files.ts";
import { parseLogLine } from "./cri_log.ts";

export interface LogOptions {
  follow: boolean;
  /** Only so many lines from the end. */
  tailLines?: number;
  /** ms since the epoch: only what was written from then on. */
  since?: number;
  timestamps: boolean;
  limitBytes?: number;
  stream?: "stdout" | "stderr";
}

const CHUNK_BYTES = 64 * 1024;
/** A line that is longer is handed on in pieces: the shim cuts its own at 16 KiB. */
const LINE_BYTES_MAX = 1024 * 1024;
const LINE_FEED = 0x0a;
/** While following: how often at least it is looked whether the container still runs. */
const LOOK_MS = 1_000;
/** How often a log's files are listed in a row while they change. */
const LISTINGS_MAX = 100;

/**
 * @param isLive whether more may come; asked while following
 * @yields bytes as the caller is to see them
 */
export async function* readLog(
  path: string,
  options: LogOptions,
  isLive: () => Promise<boolean>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  let left = options.limitBytes ?? Infinity;
  // A partial line goes on where it ended: only its beginning bears a time.
  let continues = false;
  for await (const line of linesOf(path, options, isLive, signal)) {
    const parsed = parseLogLine(line);
    if (parsed === undefined) continue;
    if (options.stream !== undefined && parsed.stream !== options.stream) continue;
    if (options.since !== undefined && Date.parse(parsed.time) < options.since) continue;
    const head = options.timestamps && !continues ? encoder.encode(`${parsed.time} `) : EMPTY;
    const tail = parsed.partial ? EMPTY : END;
    continues = parsed.partial;
    const out = concatBytes([head, parsed.text, tail]);
    if (out.length >= left) {
      yield out.slice(0, left);
      return;
    }
    left -= out.length;
    yield out;
  }
}

const encoder = new TextEncoder();
const EMPTY = new Uint8Array();
const END = new Uint8Array([LINE_FEED]);

async function* linesOf(
  path: string,
  options: LogOptions,
  isLive: () => Promise<boolean>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  // Watched from before the first read on, so that nothing is missed in between. Where there is no folder there is no
  // log: a container that has only just been made has none yet, one whose files are being removed none any more.
  using changes = options.follow && await exists(dirname(path)) ? new Changes(dirname(path), signal) : undefined;
  // Who does not follow sees what there is now, however fast more is written.
  const end = options.follow ? undefined : await Deno.stat(path).catch(() => undefined);
  let file = await openFirst(path, options, end);
  if (file === undefined) return;
  let next: Deno.FsFile | undefined;
  try {
    const buffer = new Uint8Array(CHUNK_BYTES);
    let kept: Uint8Array = EMPTY;
    while (!signal.aborted) {
      const room = end === undefined ? CHUNK_BYTES : await bytesLeft(file, end);
      if (room <= 0) return;
      const read: number | null = await file.read(buffer.subarray(0, Math.min(room, CHUNK_BYTES)));
      if (read !== null) {
        const { lines, rest } = split(concatBytes([kept, buffer.subarray(0, read)]));
        yield* lines;
        kept = rest.length > LINE_BYTES_MAX ? EMPTY : rest;
        continue;
      }
      if (next !== undefined) {
        file.close();
        file = next;
        next = undefined;
        kept = EMPTY;
        continue;
      }
      // Once there is a newer file nothing is added to this one: one more look is the last.
      next = await openNewer(path, file);
      if (next !== undefined) continue;
      if (changes === undefined) return;
      // What ends writes its last lines first: one more look after it has ended.
      if (!changes.ending && !await isLive()) changes.ending = true;
      else if (changes.ending) return;
      else await changes.next();
    }
  } finally {
    file.close();
    next?.close();
  }
}

/** How much of a file may be read where nothing behind an end is to be; everything of an older file. */
async function bytesLeft(file: Deno.FsFile, end: Deno.FileInfo): Promise<number> {
  const { ino } = await file.stat();
  return ino === end.ino ? end.size - await file.seek(0, Deno.SeekMode.Current) : Infinity;
}

/** Where reading begins: in the oldest file that has some of the lines that are wanted. */
async function openFirst(
  path: string,
  { tailLines, since }: LogOptions,
  end: Deno.FileInfo | undefined,
): Promise<Deno.FsFile | undefined> {
  let left = tailLines ?? Infinity;
  let first: Deno.FsFile | undefined;
  for (const name of (await filesOf(path)).reverse()) {
    const file = await openIfThere(name);
    if (file === undefined) continue;
    const { mtime, ino, size } = await file.stat();
    if (first !== undefined && since !== undefined && mtime !== null && mtime.getTime() < since) {
      file.close();
      break;
    }
    first?.close();
    first = file;
    if (left === Infinity) continue;
    const { offset, found } = await tailOffset(file, ino === end?.ino ? end.size : size, left);
    await file.seek(offset, Deno.SeekMode.Start);
    left -= found;
    if (left <= 0) break;
  }
  return first;
}

/** The files of a log from the oldest on: those that were rotated away, whose names sort by time, and the newest. */
async function filesOf(path: string): Promise<string[]> {
  const names = await namesIn(dirname(path));
  const old = names.filter((name) => name.startsWith(`${basename(path)}.`));
  return [...old.map((name) => `${dirname(path)}/${name}`), path];
}

/**
 * The file after this one, if the log was rotated since. Names are taken for what they say only when none has changed
 * while they were looked at: a rotation in between would make a file seem to follow one that it does not.
 */
async function openNewer(path: string, file: Deno.FsFile): Promise<Deno.FsFile | undefined> {
  for (let tries = 0; tries < LISTINGS_MAX; tries++) {
    const names = await filesOf(path);
    const nodes = await Promise.all(names.map((name) => Deno.stat(name).then(({ ino }) => ino, () => undefined)));
    const { ino, nlink } = await file.stat();
    if (!equalJson(names, await filesOf(path))) continue;
    const own = nodes.indexOf(ino);
    // Where it is under no name it was the oldest and has been removed: all that are left are newer.
    if (own < 0 && nlink !== 0) continue;
    const next = nodes.findIndex((node, index) => index > own && node !== undefined);
    if (next < 0) return undefined;
    const newer = await openIfThere(names[next]!);
    if (newer === undefined) continue;
    if ((await newer.stat()).ino === nodes[next]) return newer;
    newer.close();
  }
  return undefined;
}

async function openIfThere(path: string): Promise<Deno.FsFile | undefined> {
  return await Deno.open(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
}

function split(bytes: Uint8Array): { lines: Uint8Array[]; rest: Uint8Array } {
  const lines: Uint8Array[] = [];
  let rest = bytes;
  for (let end = rest.indexOf(LINE_FEED); end !== -1; end = rest.indexOf(LINE_FEED)) {
    lines.push(rest.subarray(0, end));
    rest = rest.subarray(end + 1);
  }
  return { lines, rest };
}

/** Where the last lines begin, and how many of them the file has. */
async function tailOffset(
  file: Deno.FsFile,
  size: number,
  lines: number,
): Promise<{ offset: number; found: number }> {
  if (lines <= 0 || size === 0) return { offset: size, found: 0 };
  const buffer = new Uint8Array(CHUNK_BYTES);
  let found = 0;
  for (let end = size; end > 0;) {
    const begin = Math.max(0, end - CHUNK_BYTES);
    await file.seek(begin, Deno.SeekMode.Start);
    let filled = 0;
    while (filled < end - begin) {
      const read = await file.read(buffer.subarray(filled, end - begin));
      if (read === null) break;
      filled += read;
    }
    for (let at = filled - 1; at >= 0; at--) {
      // The very last line feed ends the last line; it begins none.
      if (buffer[at] !== LINE_FEED || begin + at === size - 1) continue;
      found++;
      if (found === lines) return { offset: begin + at + 1, found };
    }
    end = begin;
  }
  // The first line has no line feed before it.
  return { offset: 0, found: found + 1 };
}

/** Wakes a reader when a log in the folder grows, and once a second in any case. */
class Changes implements Disposable {
  ending = false;
  readonly #watcher: Deno.FsWatcher | undefined;
  readonly #onAbort = () => this.#wake();
  #woken = Promise.withResolvers<void>();

  constructor(directory: string, readonly signal: AbortSignal) {
    this.#watcher = watchIfPossible(directory);
    signal.addEventListener("abort", this.#onAbort);
    // Should the kernel stop telling of changes, the reader still looks once a second.
    if (this.#watcher !== undefined) this.#follow(this.#watcher).catch(() => {});
  }

  async next(): Promise<void> {
    const timer = setTimeout(() => this.#wake(), LOOK_MS);
    await this.#woken.promise;
    clearTimeout(timer);
    this.#woken = Promise.withResolvers();
  }

  async #follow(watcher: Deno.FsWatcher): Promise<void> {
    for await (const event of watcher) if (event.kind !== "access") this.#wake();
  }

  #wake(): void {
    this.#woken.resolve();
  }

  [Symbol.dispose](): void {
    this.signal.removeEventListener("abort", this.#onAbort);
    this.#watcher?.close();
  }
}

/** The kernel watches for a limited number only (fs.inotify.max_user_instances). */
function watchIfPossible(directory: string): Deno.FsWatcher | undefined {
  try {
    return Deno.watchFs(directory);
  } catch {
    return undefined;
  }
}
