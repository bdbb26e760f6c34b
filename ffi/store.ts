/** The storage engine: rows of bytes in key order, written by one writer at a time. */
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { StoreEngine, StoreFencedSchema, StoreFullSchema, StoreService } from "@k3ts/proto";
import type { Native } from "./native.ts";

/** Bytes of operations in one request; a larger batch takes several. */
const REQUEST_BYTES_MAX = 8 * 1024 * 1024;
const OPERATION_HEAD_BYTES = 9;
const ROW_HEAD_BYTES = 8;

/** What keeps the rows. */
export type EngineName = "slatedb" | "sqlite";

const ENGINES: Readonly<Record<EngineName, StoreEngine>> = {
  slatedb: StoreEngine.SLATEDB,
  sqlite: StoreEngine.SQLITE,
};

export interface EngineOptions {
  /** Absolute path of a folder; a writer makes it. */
  path: string;
  /**
   * A folder stays with the engine that made it: another is refused with FailedPrecondition.
   * @default whichever the folder has, slatedb where it has none
   */
  engine?: EngineName;
  /** Neither writes nor fences. Fails with NotFound where no writer has been. @default false */
  readOnly?: boolean;
  signal?: AbortSignal;
}

export type Operation =
  | { do: "put"; key: Uint8Array; value: Uint8Array }
  | { do: "delete"; key: Uint8Array };

export interface Row {
  key: Uint8Array;
  value: Uint8Array;
}

export interface Engine extends AsyncDisposable {
  /**
   * Atomic, and durable when it resolves. One at a time: a large batch takes several requests.
   * @throws {ConnectError} see {@link isFenced}; after any other failure the outcome is unknown, and the engine takes nothing more until it is opened again
   */
  append(operations: readonly Operation[]): Promise<void>;
  /** Rows from `start` to before `end`, in pages, of one moment; only what is durable. */
  scan(start: Uint8Array, end: Uint8Array, signal?: AbortSignal): AsyncIterable<Row[]>;
}

/** Opens an engine and fences the writer before it. */
export async function openEngine(native: Pick<Native, "transport">, options: EngineOptions): Promise<Engine> {
  const client = createClient(StoreService, native.transport);
  const { path, readOnly = false, signal } = options;
  const engine = options.engine === undefined ? StoreEngine.UNSPECIFIED : ENGINES[options.engine];
  const { handle } = await client.open({ url: `file://${path}`, readOnly, engine }, { signal });
  return new NativeEngine(client, handle);
}

/** Whether another writer has opened the store: this one can never write again. */
export function isFenced(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.FailedPrecondition &&
    error.findDetails(StoreFencedSchema).length > 0;
}

/** Whether the disk is full: what was to be written may yet be found when the engine is opened again. */
export function isFull(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.ResourceExhausted &&
    error.findDetails(StoreFullSchema).length > 0;
}

class NativeEngine implements Engine {
  #closing: Promise<void> | undefined;

  constructor(readonly client: Client<typeof StoreService>, readonly handle: bigint) {}

  async append(operations: readonly Operation[]): Promise<void> {
    for (let at = 0, next; at < operations.length; at = next) {
      next = endOfRequest(operations, at);
      const packed = pack(operations, at, next);
      await this.client.append({ handle: this.handle, operations: packed, more: next < operations.length });
    }
  }

  async *scan(start: Uint8Array, end: Uint8Array, signal?: AbortSignal): AsyncGenerator<Row[]> {
    // A stream that is left early goes on until its signal fires.
    const left = new AbortController();
    const ended = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
    try {
      const pages = this.client.scan({ handle: this.handle, start, end }, { signal: ended });
      for await (const { rows } of pages) yield unpack(rows);
    } finally {
      left.abort();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    try {
      await this.client.close({ handle: this.handle });
    } catch (error) {
      // Whoever has fenced it has closed it, as far as anybody can tell; and what a full disk has not taken was not
      // acknowledged.
      if (!isFenced(error) && !isFull(error)) throw error;
    }
  }
}

/** At least one operation, and no more than a request takes. */
function endOfRequest(operations: readonly Operation[], start: number): number {
  let bytes = 0;
  for (let at = start; at < operations.length; at++) {
    bytes += packedBytes(operations[at]!);
    if (at > start && bytes > REQUEST_BYTES_MAX) return at;
  }
  return operations.length;
}

function pack(operations: readonly Operation[], start: number, end: number): Uint8Array {
  let bytes = 0;
  for (let at = start; at < end; at++) bytes += packedBytes(operations[at]!);
  const packed = new Uint8Array(bytes);
  const view = new DataView(packed.buffer);
  let at = 0;
  for (let index = start; index < end; index++) {
    const operation = operations[index]!;
    const key = operation.key;
    const value = valueOf(operation);
    view.setUint8(at, operation.do === "put" ? 0 : 1);
    view.setUint32(at + 1, key.length, true);
    view.setUint32(at + 5, value.length, true);
    packed.set(key, at + OPERATION_HEAD_BYTES);
    packed.set(value, at + OPERATION_HEAD_BYTES + key.length);
    at += OPERATION_HEAD_BYTES + key.length + value.length;
  }
  return packed;
}

function packedBytes(operation: Operation): number {
  return OPERATION_HEAD_BYTES + operation.key.length + valueOf(operation).length;
}

const NOTHING = new Uint8Array();

function valueOf(operation: Operation): Uint8Array {
  return operation.do === "put" ? operation.value : NOTHING;
}

/** Keys and values are views into the page. */
function unpack(packed: Uint8Array): Row[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const rows: Row[] = [];
  for (let at = 0; at < packed.length;) {
    const keyLength = view.getUint32(at, true);
    const valueLength = view.getUint32(at + 4, true);
    const keyAt = at + ROW_HEAD_BYTES;
    const valueAt = keyAt + keyLength;
    at = valueAt + valueLength;
    rows.push({ key: packed.subarray(keyAt, valueAt), value: packed.subarray(valueAt, at) });
  }
  return rows;
}
