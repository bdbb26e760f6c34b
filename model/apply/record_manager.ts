/** The record of who changed which field by an ordinary create, update or patch. */
import type { JsonObject } from "../json.ts";
import type { TypeView } from "../facts_interface.ts";

export interface WriteRequest {
  /** The object before the write; undefined for a create. */
  live: JsonObject | undefined;
  /** The object about to be stored. Not changed. */
  next: JsonObject;
  type: TypeView;
  /** The field manager: `fieldManager` of the request, else the user agent up to its first slash. */
  manager: string;
  /** @default "" */
  subresource?: string;
  /** ms since the epoch */
  now: number;
  /** Fields that a write to this (sub)resource never owns, as fieldsV1: a Kind's `resetFields`. */
  resetFields?: JsonObject;
}

/** The value for `next.metadata.managedFields`; undefined where the object is to have none. */
export declare function recordManager(request: WriteRequest): JsonObject[] | undefined;
