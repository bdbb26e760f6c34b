/** Reads a container's log as core/v1 PodLogOptions asks. */
import { dirname } from "node:path";
import { concatBytes } from "@k3ts/model/objects";
import { exists } from "../files.ts";
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
  // A container that has only just been made has no log yet, and one whose files are being removed none any more.
  if (!await exists(path)) return;
  // Watched from before the first read on, so that nothing is missed in between.
  using changes = options.follow ? new Changes(dirname(path), signal) : undefined;
  let file = await Deno.open(path);
  try {
    if (options.tailLines !== undefined) {
      await file.seek(await tailOffset(file, options.tailLines), Deno.SeekMode.Start);
    }
    const buffer = new Uint8Array(CHUNK_BYTES);
    let kept: Uint8Array = EMPTY;
    while (!signal.aborted) {
      const read: number | null = await file.read(buffer);
      if (read !== null) {
        const { lines, rest } = split(concatBytes([kept, buffer.subarray(0, read)]));
        yield* lines;
        kept = rest.length > LINE_BYTES_MAX ? EMPTY : rest;
        continue;
      }
      if (changes === undefined) return;
      const next = await newerFile(path, file);
      if (next !== undefined) {
        file.close();
        file = next;
        kept = EMPTY;
        continue;
      }
      // What ends writes its last lines first: one more look after it has ended.
      if (!changes.ending && !await isLive()) changes.ending = true;
      else if (changes.ending) return;
      else await changes.next();
    }
  } finally {
    file.close();
  }
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

/** Opened, when the log was rotated since. The old one has been read to its end by then. */
async function newerFile(path: string, file: Deno.FsFile): Promise<Deno.FsFile | undefined> {
  const now = await Deno.stat(path).catch(() => undefined);
  if (now === undefined || now.ino === (await file.stat()).ino) return undefined;
  return await Deno.open(path);
}

/** Where the last lines begin. */
async function tailOffset(file: Deno.FsFile, lines: number): Promise<number> {
  const { size } = await file.stat();
  if (lines <= 0) return size;
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
      if (found === lines) return begin + at + 1;
    }
    end = begin;
  }
  return 0;
}

/** Wakes a reader when a log in the folder grows, and once a second in any case. */
class Changes implements Disposable {
  ending = false;
  readonly #watcher: Deno.FsWatcher;
  readonly #onAbort = () => this.#wake();
  #woken = Promise.withResolvers<void>();

  constructor(directory: string, readonly signal: AbortSignal) {
    this.#watcher = Deno.watchFs(directory);
    signal.addEventListener("abort", this.#onAbort);
    // Should the kernel stop telling of changes, the reader still looks once a second.
    this.#follow().catch(() => {});
  }

  async next(): Promise<void> {
    const timer = setTimeout(() => this.#wake(), LOOK_MS);
    await this.#woken.promise;
    clearTimeout(timer);
    this.#woken = Promise.withResolvers();
  }

  async #follow(): Promise<void> {
    for await (const event of this.#watcher) if (event.kind !== "access") this.#wake();
  }

  #wake(): void {
    this.#woken.resolve();
  }

  [Symbol.dispose](): void {
    this.signal.removeEventListener("abort", this.#onAbort);
    this.#watcher.close();
  }
}
