/** Blobs by digest, on disk: D/node/images/blobs/sha256/<hex>. A blob is whole and verified, or not there. */
import { createHash } from "node:crypto";
import { exists, removeIfThere } from "../files.ts";
import { steady } from "./steady.ts";

const DIGEST = /^sha256:([0-9a-f]{64})$/;

/** Its digits. Digests come from strangers and become parts of paths. */
export function hexOf(digest: string): string {
  const hex = DIGEST.exec(digest)?.[1];
  if (hex === undefined) {
    throw new Error(`Cannot use a digest as it must be sha256 and 64 digits: it is "${digest}"`);
  }
  return hex;
}

/** The bytes from an offset on, or from an earlier one. */
export type FetchFrom = (offset: number) => Promise<{ stream: ReadableStream<Uint8Array>; offset: number }>;

export class Blobs {
  readonly #directory: string;
  /** Transfers under way: images share layers. */
  readonly #receiving = new Map<string, Promise<void>>();

  constructor(imagesDirectory: string) {
    this.#directory = `${imagesDirectory}/blobs/sha256`;
  }

  async open(): Promise<void> {
    await Deno.mkdir(this.#directory, { recursive: true, mode: 0o700 });
  }

  path(digest: string): string {
    return `${this.#directory}/${hexOf(digest)}`;
  }

  has(digest: string): Promise<boolean> {
    return exists(this.path(digest));
  }

  read(digest: string): Promise<Uint8Array> {
    return Deno.readFile(this.path(digest));
  }

  async remove(digest: string): Promise<void> {
    await removeIfThere(this.path(digest));
  }

  /** Takes a file in, by link or copy, once its content has the digest. */
  async take(digest: string, file: string): Promise<void> {
    if (await this.has(digest)) return;
    const partial = `${this.path(digest)}.${crypto.randomUUID()}.partial`;
    try {
      await Deno.copyFile(file, partial);
      const found = await digestOfFile(partial);
      if (found !== digest) throw new Error(`Cannot take "${file}" as its digest must be ${digest}: it is ${found}`);
      await Deno.rename(partial, this.path(digest));
    } finally {
      await removeIfThere(partial);
    }
  }

  /**
   * Writes a blob as it comes in. `fetchFrom(offset)` gives the bytes from there on; what a broken transfer has
   * brought is kept and continued, three times at most.
   */
  receive(
    digest: string,
    sizeMax: number,
    fetchFrom: FetchFrom,
    signal: AbortSignal,
  ): Promise<void> {
    let receiving = this.#receiving.get(digest);
    if (receiving === undefined) {
      receiving = this.#receive(digest, sizeMax, fetchFrom, signal).finally(() => this.#receiving.delete(digest));
      this.#receiving.set(digest, receiving);
    }
    return receiving;
  }

  async #receive(
    digest: string,
    sizeMax: number,
    fetchFrom: FetchFrom,
    signal: AbortSignal,
  ): Promise<void> {
    if (await this.has(digest)) return;
    const partial = `${this.path(digest)}.partial`;
    for (let attempt = 1;; attempt++) {
      try {
        await append(partial, sizeMax, fetchFrom, signal);
        break;
      } catch (error) {
        if (signal.aborted || attempt === 3 || error instanceof TooLarge) throw error;
      }
    }
    const found = await digestOfFile(partial);
    if (found !== digest) {
      await removeIfThere(partial);
      throw new Error(`Cannot keep a blob as its digest must be ${digest}: what came has ${found}`);
    }
    await Deno.rename(partial, this.path(digest));
  }
}

class TooLarge extends Error {
  override name = "TooLarge";
}

async function append(
  partial: string,
  sizeMax: number,
  fetchFrom: FetchFrom,
  signal: AbortSignal,
): Promise<void> {
  using file = await Deno.open(partial, { write: true, create: true, mode: 0o600 });
  const kept = (await file.stat()).size;
  if (kept === sizeMax && sizeMax > 0) return;
  const { stream, offset } = await fetchFrom(kept > sizeMax ? 0 : kept);
  await file.truncate(offset);
  await file.seek(offset, Deno.SeekMode.Start);
  let size = offset;
  for await (const chunk of steady(stream)) {
    signal.throwIfAborted();
    size += chunk.length;
    if (size > sizeMax) throw new TooLarge(`Cannot keep a blob as it must have at most ${sizeMax} bytes: more came`);
    for (let at = 0; at < chunk.length;) at += await file.write(chunk.subarray(at));
  }
  if (size < sizeMax) {
    throw new Error(`Cannot keep a blob as it must have ${sizeMax} bytes: the transfer ended at ${size}`);
  }
}

export async function digestOfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  using file = await Deno.open(path);
  const buffer = new Uint8Array(256 * 1024);
  for (let read = await file.read(buffer); read !== null; read = await file.read(buffer)) {
    hash.update(buffer.subarray(0, read));
  }
  return `sha256:${hash.digest("hex")}`;
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
