/** Server-side apply: merges what a manager wants into what is there, and keeps the record of who wants what. */
import type { JsonObject } from "../json.ts";
import type { TypeView } from "../facts_interface.ts";

export interface ApplyRequest {
  /** The object as it is, or undefined where apply creates it. */
  live: JsonObject | undefined;
  /** What the manager applies; with apiVersion, kind and metadata.name. */
  applied: JsonObject;
  /** Facts of the object's type. */
  type: TypeView;
  /** The field manager; `kubectl` adopts what client-side apply wrote. */
  manager: string;
  /** @default "" */
  subresource?: string;
  /** Takes over fields that others manage instead of refusing. @default false */
  force?: boolean;
  /** ms since the epoch */
  now: number;
  /** Fields that a write to this (sub)resource never owns, as fieldsV1: a Kind's `resetFields`. */
  resetFields?: JsonObject;
  /** Defaulting of the merged object, in place: a Kind's `defaults`. */
  setDefaults?(object: JsonObject): void;
}

/**
 * The object to store, with its managedFields; equal to `live` where the apply changes nothing.
 * @throws {ApplyConflict} others manage fields that would change, and `force` is not set
 * @throws {ApplyRefused} the applied configuration is not valid for apply
 */
export declare function applyPatch(request: ApplyRequest): JsonObject;
