/**
 * How a store lies in the rows of an engine. Integers are big-endian, so that rows of history are in order.
 *
 *     h/<u64 revision>   u8 flags, u64 expiry, u32 key length, key, value: one change, its history
 *     m/<name>           what is known of the store itself
 *     o/<key>            u8 flags, u64 expiry, u64 revision, value: the newest state
 *
 * Flags: 1 the change is a deletion, 2 there is an expiry.
 */
import type { Change, Entry, Revision } from "@k3ts/api";
import type { Operation, Row } from "@k3ts/ffi";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const DELETED = 1;
const EXPIRES = 2;

const ENTRY_HEAD_BYTES = 17;
const CHANGE_HEAD_BYTES = 13;

/** What is known of the store itself. */
export interface Meta {
  cluster?: string;
  epoch: number;
  /** Of the last write. */
  revision: Revision;
  /** History begins here. */
  historyBegin: Revision;
  /** No row of history is left before this. Behind `historyBegin` while a compaction is under way, or was cut short. */
  sweptBefore: Revision;
}

export const NO_META: Readonly<Meta> = { epoch: 0, revision: 0, historyBegin: 1, sweptBefore: 1 };

const NUMBERS = ["epoch", "revision", "historyBegin", "sweptBefore"] as const;

/** Where ranges begin; each ends where the next begins. */
const HISTORY_START = encoder.encode("h/");
export const META_START = encoder.encode("m/");
export const META_END = encoder.encode("m0");
export const OBJECTS_END = encoder.encode("o0");

const HISTORY = HISTORY_START[0]!;
const META = META_START[0]!;
const PREFIX_BYTES = 2;

export function historyKey(revision: Revision): Uint8Array {
  const key = new Uint8Array(PREFIX_BYTES + 8);
  key.set(HISTORY_START);
  writeUint64(new DataView(key.buffer), PREFIX_BYTES, revision);
  return key;
}

/** A change in the history, and in the newest state of its key. */
export function changeOperations(change: Change): Operation[] {
  const key = encoder.encode(`o/${change.key}`);
  const past: Operation = {
    do: "put",
    key: historyKey(change.revision),
    value: encodeChange(change, key.subarray(PREFIX_BYTES)),
  };
  if (change.type === "delete") return [past, { do: "delete", key }];
  return [past, { do: "put", key, value: encodeEntry(change) }];
}

/** Deletes the history from a revision to before another. Revisions follow each other, so nobody need look for them. */
export function sweepOperations(from: Revision, before: Revision): Operation[] {
  const deletions = Array.from({ length: before - from }, (_, index): Operation => {
    return { do: "delete", key: historyKey(from + index) };
  });
  return [...deletions, numberOperation("sweptBefore", before)];
}

export function numberOperation(name: (typeof NUMBERS)[number], value: number): Operation {
  const bytes = new Uint8Array(8);
  writeUint64(new DataView(bytes.buffer), 0, value);
  return { do: "put", key: encoder.encode(`m/${name}`), value: bytes };
}

export function textOperation(name: "cluster" | "writer", value: string): Operation {
  return { do: "put", key: encoder.encode(`m/${name}`), value: encoder.encode(value) };
}

/** What a row is, told by its key. */
export function kindOf(row: Row): "history" | "meta" | "object" {
  if (row.key[0] === HISTORY) return "history";
  return row.key[0] === META ? "meta" : "object";
}

/** Adds what a row of `m/` says. */
export function readMeta(meta: Meta, row: Row): void {
  const name = decoder.decode(row.key.subarray(PREFIX_BYTES));
  if (name === "cluster") meta.cluster = decoder.decode(row.value);
  const number = NUMBERS.find((known) => known === name);
  if (number !== undefined) meta[number] = readUint64(viewOf(row.value), 0);
}

export function decodeEntry(row: Row): Entry {
  const view = viewOf(row.value);
  return {
    key: decoder.decode(row.key.subarray(PREFIX_BYTES)),
    value: row.value.subarray(ENTRY_HEAD_BYTES),
    revision: readUint64(view, 9),
    ...((view.getUint8(0) & EXPIRES) !== 0 && { expiresAt: readUint64(view, 1) }),
  };
}

export function decodeChange(row: Row): Change {
  const view = viewOf(row.value);
  const flags = view.getUint8(0);
  const valueAt = CHANGE_HEAD_BYTES + view.getUint32(9);
  const written = {
    key: decoder.decode(row.value.subarray(CHANGE_HEAD_BYTES, valueAt)),
    value: row.value.subarray(valueAt),
    revision: readUint64(viewOf(row.key), PREFIX_BYTES),
  };
  if ((flags & DELETED) !== 0) return { type: "delete", ...written };
  return { type: "put", ...written, ...((flags & EXPIRES) !== 0 && { expiresAt: readUint64(view, 1) }) };
}

function encodeEntry({ value, revision, expiresAt }: Extract<Change, { type: "put" }>): Uint8Array {
  const bytes = new Uint8Array(ENTRY_HEAD_BYTES + value.length);
  const view = new DataView(bytes.buffer);
  writeExpiry(view, 0, expiresAt);
  writeUint64(view, 9, revision);
  bytes.set(value, ENTRY_HEAD_BYTES);
  return bytes;
}

function encodeChange(change: Change, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(CHANGE_HEAD_BYTES + key.length + change.value.length);
  const view = new DataView(bytes.buffer);
  if (change.type === "delete") view.setUint8(0, DELETED);
  else writeExpiry(view, 0, change.expiresAt);
  view.setUint32(9, key.length);
  bytes.set(key, CHANGE_HEAD_BYTES);
  bytes.set(change.value, CHANGE_HEAD_BYTES + key.length);
  return bytes;
}

function writeExpiry(view: DataView, at: number, expiresAt: number | undefined): void {
  if (expiresAt === undefined) return;
  view.setUint8(at, EXPIRES);
  writeUint64(view, at + 1, expiresAt);
}

/** Whole numbers up to 2^53: without BigInt, which costs more than the rest of a row. */
function writeUint64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 4, value % 2 ** 32);
}

function readUint64(view: DataView, at: number): number {
  return view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
