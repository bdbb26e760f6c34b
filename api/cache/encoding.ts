/** The forms that objects and events are shown in: JSON is what is stored, everything else is made when somebody asks. */
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
