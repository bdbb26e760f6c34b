/**
 * `libk3ts.so` as a channel of frames. What both sides must hold to (who owns which memory, how long the queue may
 * grow, which thread calls whom) is written in `crates/abi/src/abi.rs`.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type FrameChannel, FrameType } from "@k3ts/proto/frames";

const SYMBOLS = {
  k3ts_version: { parameters: [], result: "u32" },
  k3ts_open: { parameters: ["function"], result: "pointer" },
  k3ts_submit: { parameters: ["pointer", "buffer", "usize"], result: "i32" },
  k3ts_close: { parameters: ["pointer"], result: "void", nonblocking: true },
  k3ts_free: { parameters: ["pointer"], result: "void" },
} as const;

const DELIVER = { parameters: ["pointer", "usize"], result: "void" } as const;

/** Of the functions and frames that this file speaks. */
const VERSION = 1;

/** What `k3ts_submit` answers. */
const TAKEN = 0;
const BUSY = 3;
const REFUSALS = new Map([[1, "it is closed"], [2, "they are malformed"], [4, "it failed"]]);

/** Length, type and call id of a frame. */
const TYPE_AT = 4;

/** Where the native parts are: `K3TS_NATIVE`, or what this checkout links to. */
export function nativeFolder(): string {
  return Deno.env.get("K3TS_NATIVE") ?? fileURLToPath(new URL("../.k3ts/native", import.meta.url));
}

/**
 * Loads the library and opens a channel to its services, on threads of its own.
 * @throws when the library is missing or of another version
 */
export function openLibrary(folder: string = nativeFolder()): FrameChannel {
  return new NativeChannel(load(join(folder, "libk3ts.so")));
}

type Library = Deno.DynamicLibrary<typeof SYMBOLS>;

function load(path: string): Library {
  let library: Library;
  try {
    library = Deno.dlopen(path, SYMBOLS);
  } catch (cause) {
    throw new Error(`Cannot load ${path} as the native parts must be compiled: run "deno task setup"`, { cause });
  }
  const version = library.symbols.k3ts_version();
  if (version === VERSION) return library;
  library.close();
  throw new Error(`Cannot use ${path} as its version must be ${VERSION}: it is ${version}`);
}

class NativeChannel implements FrameChannel {
  #library: Library;
  #handle: Deno.PointerValue;
  #deliver: Deno.UnsafeCallback<typeof DELIVER>;
  #pieces = new Pieces();
  /** Calls whose end has not come. The event loop lives while there are any. */
  #openCalls = 0;
  #delivered: PromiseWithResolvers<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(library: Library) {
    this.#library = library;
    this.#deliver = Deno.UnsafeCallback.threadSafe(DELIVER, (frames, length) => this.#receive(frames, Number(length)));
    this.#handle = library.symbols.k3ts_open(this.#deliver.pointer);
    if (this.#handle === null) {
      this.#deliver.close();
      library.close();
      throw new Error("Cannot open the native services as threads must be available: standard error says more");
    }
    // A thread-safe callback begins with a reference to the event loop.
    this.#deliver.unref();
  }

  get received(): AsyncIterable<Uint8Array> {
    return this.#pieces;
  }

  async send(frames: Uint8Array): Promise<void> {
    this.#hold(countFrames(frames, FrameType.start));
    for (let answer = this.#submit(frames); answer !== TAKEN; answer = this.#submit(frames)) {
      if (answer !== BUSY) {
        throw new Error(`Cannot send frames to the native services as ${REFUSALS.get(answer) ?? `code ${answer}`}`);
      }
      await (this.#delivered ??= Promise.withResolvers<void>()).promise;
    }
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  #submit(frames: Uint8Array): number {
    if (this.#handle === null) throw new Error("Cannot send frames to the native services as they are closed");
    return this.#library.symbols.k3ts_submit(this.#handle, frames as Uint8Array<ArrayBuffer>, BigInt(frames.length));
  }

  /** Called by the library's thread, which waits until this returns. */
  #receive(frames: Deno.PointerValue, length: number): void {
    if (frames === null) return;
    const copy = new Uint8Array(length);
    new Deno.UnsafePointerView(frames).copyInto(copy);
    this.#pieces.push(copy);
    this.#hold(-countFrames(copy, FrameType.end));
    this.#delivered?.resolve();
    this.#delivered = undefined;
  }

  #hold(calls: number): void {
    const before = this.#openCalls;
    this.#openCalls += calls;
    if (before === 0 && this.#openCalls > 0) this.#deliver.ref();
    if (before > 0 && this.#openCalls === 0) this.#deliver.unref();
  }

  async #close(): Promise<void> {
    const handle = this.#handle;
    // Nonblocking: the library's thread may be waiting for the event loop to take a batch.
    await this.#library.symbols.k3ts_close(handle);
    this.#handle = null;
    this.#library.symbols.k3ts_free(handle);
    this.#deliver.close();
    this.#library.close();
    this.#pieces.end();
    this.#delivered?.resolve();
  }
}

/** Both directions carry whole frames. */
function countFrames(frames: Uint8Array, type: FrameType): number {
  const view = new DataView(frames.buffer, frames.byteOffset, frames.byteLength);
  let count = 0;
  for (let at = 0; at < frames.length; at += 4 + view.getUint32(at, true)) {
    if (frames[at + TYPE_AT] === type) count++;
  }
  return count;
}

/**
 * What was received and not read yet. Bounded by what the calls have granted: the library sends no message of a stream
 * without credit.
 */
class Pieces implements AsyncIterableIterator<Uint8Array> {
  #pieces: Uint8Array[] = [];
  #ended = false;
  #arrived: PromiseWithResolvers<void> | undefined;

  push(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    for (;;) {
      const value = this.#pieces.shift();
      if (value !== undefined) return { value, done: false };
      if (this.#ended) return { value: undefined, done: true };
      await (this.#arrived ??= Promise.withResolvers<void>()).promise;
    }
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #wake(): void {
    this.#arrived?.resolve();
    this.#arrived = undefined;
  }
}
