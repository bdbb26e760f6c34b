/** Objects to Kubernetes protobuf, lists whose items are messages that lie ready, and watch events. */
import { typeByKey, type TypeFacts } from "../facts/types.ts";
import type { KubernetesObject } from "../types/mod.ts";
import { MAGIC } from "./envelope.ts";
import { decodeMessage } from "./protobuf_decode.ts";
import { writeMessage } from "./protobuf_encode.ts";
import { BYTES, WireWriter } from "./wire.ts";

const shared = new WireWriter();

/** Runs a writer that starts empty even when the one before it threw. */
function written(write: (writer: WireWriter) => void): Uint8Array<ArrayBuffer> {
  shared.reset();
  write(shared);
  return shared.finish();
}

/** An object's message without envelope: what a list's items are. */
export function encodeMessage(object: object, type: TypeFacts): Uint8Array<ArrayBuffer> {
  return written((writer) => writeMessage(writer, object as Record<string, unknown>, type));
}

/** An object in its envelope; it must have its apiVersion and kind. */
export function encodeProtobuf(object: object, type: TypeFacts): Uint8Array<ArrayBuffer> {
  const { apiVersion = "", kind = "" } = object as KubernetesObject;
  return written((writer) => {
    writeTail(writer);
    const before = writer.written;
    writeMessage(writer, object as Record<string, unknown>, type);
    writeHead(writer, apiVersion, kind, writer.written - before);
  });
}

/** contentEncoding and contentType, both empty. */
function writeTail(writer: WireWriter): void {
  writer.string("");
  writer.tag(4, BYTES);
  writer.string("");
  writer.tag(3, BYTES);
}

function writeHead(writer: WireWriter, apiVersion: string, kind: string, messageLength: number): void {
  writer.uint(messageLength);
  writer.tag(2, BYTES);
  const before = writer.written;
  writer.string(kind);
  writer.tag(2, BYTES);
  writer.string(apiVersion);
  writer.tag(1, BYTES);
  writer.uint(writer.written - before);
  writer.tag(1, BYTES);
  writer.raw(MAGIC);
}

/** A list's envelope in parts, so that items which lie ready as messages are copied and never encoded again. */
export interface ListFrame {
  /** Goes before the first item. */
  head: Uint8Array<ArrayBuffer>;
  /** Goes before an item of so many bytes. */
  itemHead(length: number): Uint8Array<ArrayBuffer>;
  /** Goes after the last item. */
  tail: Uint8Array<ArrayBuffer>;
}

/**
 * @param metadata the list's own: resourceVersion, continue, remainingItemCount
 * @param itemLengths the length of each item's message
 */
export function listFrame(
  apiVersion: string,
  kind: string,
  metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number },
  itemLengths: Iterable<number>,
): ListFrame {
  const itemHead = (length: number) =>
    written((writer) => {
      writer.uint(length);
      writer.tag(2, BYTES);
    });
  const meta = encodeMessage(metadata, typeByKey("meta/v1.ListMeta")!);
  const metaPart = written((writer) => {
    writer.bytes(meta);
    writer.tag(1, BYTES);
  });
  let length = metaPart.length;
  for (const item of itemLengths) length += 1 + varintLength(item) + item;
  const head = written((writer) => {
    writer.raw(metaPart);
    writeHead(writer, apiVersion, kind, length);
  });
  return { head, itemHead, tail: written(writeTail) };
}

function varintLength(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}

/**
 * A watch event as protobuf streams carry it: four bytes of length, then a WatchEvent whose object is an envelope.
 * @param type `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`
 * @param object an object (for `ERROR` a Status) in its envelope
 */
export function encodeWatchEvent(type: string, object: Uint8Array): Uint8Array<ArrayBuffer> {
  return written((writer) => {
    const before = writer.written;
    writer.bytes(object);
    writer.tag(1, BYTES);
    writer.uint(writer.written - before);
    writer.tag(2, BYTES);
    writer.string(type);
    writer.tag(1, BYTES);
    const length = writer.written;
    writer.raw(Uint8Array.of(length >>> 24, length >>> 16, length >>> 8, length));
  });
}

/** A WatchEvent without its four bytes of length. @throws {DecodeError} */
export function decodeWatchEvent(bytes: Uint8Array): { type: string; object: Record<string, unknown> } {
  const event = decodeMessage(bytes, typeByKey("meta/v1.WatchEvent")!);
  return event as unknown as { type: string; object: Record<string, unknown> };
}
