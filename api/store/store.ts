/**
 * What the registry asks of storage. Small on purpose: one writer, batches in order, a history that can be
 * compacted. Every backend passes `storeSuite` of `@k3ts/api/testing`.
 */
import type { WallTime } from "@k3ts/model";

/** One counter over all kinds, given out by the registry, one per write; never the engine's own numbers. */
export type Revision = number;

/** Names a cluster for ever: made when its store is first opened, kept by every backup. */
export type ClusterId = string;

/** Limits that every backend must take and may rely on. */
export const LIMITS = {
  /** Bytes of a key, UTF-8. */
  keyBytesMax: 1024,
  /** Bytes of a value. */
  valueBytesMax: 4 * 1024 * 1024,
  /** Changes of one batch. */
  batchChangesMax: 4096,
  /** Bytes of all keys and values of one batch. */
  batchBytesMax: 32 * 1024 * 1024,
} as const;

/** The newest state of one key. */
export interface Entry {
  key: string;
  value: Uint8Array;
  /** The revision of its last write. */
  revision: Revision;
  /** What has expired is still returned: the registry deletes it by a write, so that watchers see it go. */
  expiresAt?: WallTime;
}

/** One write, as it was given a revision. */
export type Change =
  | { type: "put"; key: string; value: Uint8Array; revision: Revision; expiresAt?: WallTime }
  /** `value` is the object's last state, bearing the revision of its deletion: what a watcher is told. */
  | { type: "delete"; key: string; value: Uint8Array; revision: Revision };

export interface Batch {
  /** In the order of their revisions, which follow each other and the last batch's. */
  changes: Change[];
  /** May be lost with the machine, though not with the process: heartbeats. A backend may ignore it. @default false */
  mayBeLost?: boolean;
}

/** Who opens a store for writing; shown to whoever is fenced by it. */
export interface WriterId {
  name: string;
}

export interface Store {
  /** Followers, inspection, backup. */
  openReader(signal: AbortSignal): Promise<StoreReader>;
  /** Fences the writer before it. */
  openWriter(who: WriterId, signal: AbortSignal): Promise<StoreWriter>;
}

export interface StoreReader extends AsyncDisposable {
  readonly cluster: ClusterId;
  /** The newest state, in pages and in key order, of one revision: that of the last acknowledged batch. An empty store yields one page without entries. */
  load(): AsyncIterable<{ entries: Entry[]; revision: Revision }>;
  /** What was written after a revision, in order, and ends there. @throws {Expired} when it has been compacted away */
  changes(after: Revision): AsyncIterable<Change[]>;
}

export interface StoreWriter extends StoreReader {
  /** Grows with every writer and every restore. */
  readonly epoch: number;
  /**
   * Atomic, in order, durable when it resolves. Several appends may be under way: they are carried out in the order of the calls.
   * @throws {Fenced} for ever after, once another writer has opened the store
   * @throws {Full} and any other error: the outcome is unknown. Open it again, and see what was written, before writing on
   */
  append(batch: Batch): Promise<void>;
  /** Forgets the history before a revision. Newest states stay. */
  compact(before: Revision): Promise<void>;
}

/** Another writer has opened the store; this one can never write again. */
export class Fenced extends Error {
  override name = "Fenced";
}

/** There is no room for what was to be written. As after any other failure the outcome is unknown. */
export class Full extends Error {
  override name = "Full";
}

/** The history that was asked for has been compacted away. */
export class Expired extends Error {
  override name = "Expired";
  constructor(after: Revision, readonly compactedBefore: Revision) {
    super(`Cannot read changes after revision ${after} as history begins at revision ${compactedBefore}`);
  }
}
