/** Header blocks of SPDY/3.1: names and values, compressed by one stream of zlib a direction and connection. */
import { Buffer } from "node:buffer";
import { constants, createDeflate, createInflate } from "node:zlib";
import { concatBytes } from "@k3ts/model/objects";
import { DICTIONARY } from "./dictionary.ts";
import { SpdyError, uint32At, uint32s } from "./frames.ts";

/** Of a block when it is unpacked. A small one may unpack to a thousand times its size. */
const BLOCK_BYTES_MAX = 64 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Unpacks the blocks of one direction, in their order. */
export class HeaderReader implements Disposable {
  readonly #inflate = createInflate({ dictionary: Buffer.from(DICTIONARY) });
  #fault: Error | undefined;

  constructor() {
    this.#inflate.on("error", (error: Error) => this.#fault = error);
  }

  /** One at a time. @throws {SpdyError} */
  async read(block: Uint8Array): Promise<Map<string, string>> {
    return parseHeaders(await this.#unpack(block));
  }

  async #unpack(block: Uint8Array): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let size = 0;
    const onData = (part: Uint8Array) => {
      size += part.length;
      if (size <= BLOCK_BYTES_MAX) parts.push(part);
      else this.#inflate.destroy(new SpdyError(`a header block must have at most ${BLOCK_BYTES_MAX} bytes`));
    };
    this.#inflate.on("data", onData);
    try {
      await new Promise<void>((resolve) => {
        if (this.#fault !== undefined || this.#inflate.destroyed) return resolve();
        this.#inflate.once("close", resolve);
        this.#inflate.write(block);
        this.#inflate.flush(constants.Z_SYNC_FLUSH, () => {
          this.#inflate.off("close", resolve);
          resolve();
        });
      });
    } finally {
      this.#inflate.off("data", onData);
    }
    if (this.#fault !== undefined || this.#inflate.destroyed) {
      throw new SpdyError(`Cannot read headers: ${this.#fault?.message ?? "their stream has ended"}`, {
        cause: this.#fault,
      });
    }
    return concatBytes(parts);
  }

  [Symbol.dispose](): void {
    this.#inflate.destroy();
  }
}

/** Packs the blocks of one direction, in their order. */
export class HeaderWriter implements Disposable {
  /** With a window that holds the dictionary: ours are empty, and the default would cost 256 KiB a connection. */
  readonly #deflate = createDeflate({ dictionary: Buffer.from(DICTIONARY), windowBits: 11, memLevel: 1 });

  /** One at a time. */
  async write(headers: ReadonlyMap<string, string>): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    const onData = (part: Uint8Array) => void parts.push(part);
    this.#deflate.on("data", onData);
    await new Promise<void>((resolve) => {
      this.#deflate.write(formatHeaders(headers));
      this.#deflate.flush(constants.Z_SYNC_FLUSH, () => resolve());
    });
    this.#deflate.off("data", onData);
    return concatBytes(parts);
  }

  [Symbol.dispose](): void {
    this.#deflate.destroy();
  }
}

/** @returns values by names of small letters @throws {SpdyError} */
export function parseHeaders(block: Uint8Array): Map<string, string> {
  const headers = new Map<string, string>();
  let at = 0;
  const next = () => {
    const length = uint32At(block, at);
    at += 4;
    if (length > block.length - at) {
      throw new SpdyError(`Cannot read headers as ${length} bytes must follow: there are ${block.length - at}`);
    }
    const text = decoder.decode(block.subarray(at, at + length));
    at += length;
    return text;
  };
  const count = uint32At(block, 0);
  at = 4;
  for (let index = 0; index < count; index++) {
    const name = next().toLowerCase();
    headers.set(name, next());
  }
  return headers;
}

export function formatHeaders(headers: ReadonlyMap<string, string>): Uint8Array {
  const parts: Uint8Array[] = [uint32s(headers.size)];
  for (const text of [...headers].flat()) {
    const bytes = encoder.encode(text);
    parts.push(uint32s(bytes.length), bytes);
  }
  return concatBytes(parts);
}
