/**
 * The forms that objects are shown in, each made once an object: JSON is what is stored, everything else is made when
 * somebody asks and kept while there is room.
 */
import type { StoredObject } from "../registry/stored_object.ts";
import type { Status } from "../status.ts";
import type { EventType } from "./change.ts";

/** A form of objects, such as Kubernetes protobuf or a Table of one row. */
export interface Form {
  /** Equal for forms that make equal bytes of equal objects. */
  readonly id: string;
  encode(object: StoredObject): Uint8Array;
  /** What a watch in this form is told when it fails. */
  encodeStatus(status: Status): Uint8Array;
}

const encoder = new TextEncoder();

/** The form that is stored. */
export const JSON_FORM: Form = {
  id: "json",
  encode: (object) => object.json,
  encodeStatus: (status) => encoder.encode(JSON.stringify(status)),
};

/** Bytes of made forms that are kept. When they are exceeded, what was made first is dropped. */
const KEPT_BYTES_MAX = 32 * 1024 * 1024;

/** One other form of each object, kept while there is room; one for all resources, so that there is one limit. */
export class KeptBytes {
  readonly #kept = new Map<StoredObject, Uint8Array>();
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax = KEPT_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** What is kept of an object, or what is made now. */
  of(object: StoredObject, make: (object: StoredObject) => Uint8Array): Uint8Array {
    const kept = this.#kept.get(object);
    if (kept !== undefined) return kept;
    const made = make(object);
    this.#kept.set(object, made);
    this.#bytes += made.length;
    for (const [oldest, bytes] of this.#kept) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#kept.delete(oldest);
      this.#bytes -= bytes.length;
    }
    return made;
  }
}

/** How an event is put on a wire: a line of JSON, a frame with its length… */
export interface Framing {
  readonly id: string;
  frame(type: WatchEventType, object: Uint8Array): Uint8Array;
}

export type WatchEventType = EventType | "BOOKMARK" | "ERROR";

/** One event in one form, shared by all watches that see it so. */
export class EncodedEvent {
  #framed: { by: string; bytes: Uint8Array } | undefined;

  /** @param traceparent W3C Trace Context of the write that led to it; empty where that is not traced */
  constructor(readonly type: WatchEventType, readonly object: Uint8Array, readonly traceparent: string = "") {}

  /** The bytes for the wire, made once. */
  framed(framing: Framing): Uint8Array {
    if (this.#framed?.by !== framing.id) {
      this.#framed = { by: framing.id, bytes: framing.frame(this.type, this.object) };
    }
    return this.#framed.bytes;
  }
}
