/**
 * One state of one object, as memory holds it: encoded bytes, and parsed only what indexes and selectors ask for.
 * Never changed once made: caches, watches and replies share it.
 */
import type { MonotonicTime } from "@k3ts/model";
import type { Revision } from "../store/store.ts";

export interface StoredObject {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Of the write that made this state; its `metadata.resourceVersion`. */
  readonly revision: Revision;
  /** JSON in UTF-8, as it is in the store. */
  readonly json: Uint8Array;
  readonly labels: Readonly<Record<string, string>>;
  /** What field selectors may ask for. */
  readonly fields: Readonly<Record<string, string>>;
  readonly expiresAt?: MonotonicTime;
}

/** What the registry must know of a resource to store its objects. */
export interface StoredResource {
  readonly group: string;
  readonly resource: string;
  /** What field selectors may ask for, of one object. */
  fieldsOf(object: ObjectData): Record<string, string>;
  /** How long an object lives after its last write. Absent: for ever. */
  readonly ttlMs?: number;
}

/** An API object as plain data: its metadata, and whatever else its kind has. */
export interface ObjectData {
  apiVersion?: string;
  kind?: string;
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    labels?: Record<string, string>;
  };
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NOTHING: Readonly<Record<string, string>> = Object.freeze({});

/** Encodes an object as of a revision, which is written into its metadata; 0 for an object that is never stored. */
export function storeObject(
  resource: StoredResource,
  object: ObjectData,
  revision: Revision,
  expiresAt?: MonotonicTime,
): StoredObject {
  if (revision === 0) delete object.metadata.resourceVersion;
  else object.metadata.resourceVersion = String(revision);
  return indexed(resource, object, revision, encoder.encode(JSON.stringify(object)), expiresAt);
}

/** Reads what the store holds. @throws {SyntaxError} where that is not JSON */
export function loadObject(
  resource: StoredResource,
  json: Uint8Array,
  revision: Revision,
  expiresAt?: MonotonicTime,
): StoredObject {
  return indexed(resource, JSON.parse(decoder.decode(json)), revision, json, expiresAt);
}

/** A fresh copy of the object that the caller may change. */
export function parseObject<T extends ObjectData = ObjectData>(stored: StoredObject): T {
  return JSON.parse(decoder.decode(stored.json)) as T;
}

function indexed(
  resource: StoredResource,
  object: ObjectData,
  revision: Revision,
  json: Uint8Array,
  expiresAt: MonotonicTime | undefined,
): StoredObject {
  const { name, namespace = "", uid = "", labels } = object.metadata;
  return {
    namespace,
    name,
    uid,
    revision,
    json,
    labels: labels === undefined ? NOTHING : labels,
    fields: resource.fieldsOf(object),
    ...(expiresAt !== undefined && { expiresAt }),
  };
}
