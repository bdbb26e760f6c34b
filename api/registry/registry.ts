/**
 * The one writer of the cluster.
 *
 * A write is checked against memory, with what is still under way included, allocates what it needs, gets a revision,
 * joins the current group commit, and when that is durable becomes visible, is shown to watchers and is answered, in
 * this order. Everything up to joining the commit happens in one turn of the event loop, so no lock is needed.
 *
 * When the store fails or another writer has fenced this one, nobody knows what it holds: every write under way and
 * every later one is refused, and {@link Registry.lost} tells the server to end. The next one loads what is true.
 */
import { Fenced, LIMITS, type Revision, type StoreWriter } from "../store/store.ts";
import type { Clock } from "../clock.ts";
import type { HistoryLimits } from "../cache/history.ts";
import type { ObjectChange } from "../cache/change.ts";
import { Cache } from "../cache/cache.ts";
import {
  alreadyExists,
  groupResource,
  internalError,
  modifiedMeanwhile,
  notFound,
  serviceUnavailable,
  StatusError,
  tooLargeEntity,
  tooManyRequests,
} from "../status.ts";
import { ExpiryQueue } from "./expiry.ts";
import { GroupCommit, type GroupCommitOptions, type PendingWrite } from "./group_commit.ts";
import { objectKey } from "./keys.ts";
import { loadAll } from "./load.ts";
import { type ObjectData, parseObject, type StoredObject, type StoredResource, storeObject } from "./stored_object.ts";

/** Gives out what must be unique in the cluster: addresses, ports. Sees every write, so that it needs no releasing. */
export interface Allocator {
  /** Fills in what `next` lacks. @throws {StatusError} when what it asks for is taken or nothing is left */
  assign(next: ObjectData, previous: ObjectData | undefined): void;
  /** A write has been accepted: what `previous` held and `next` does not is free again. */
  observe(next: ObjectData | undefined, previous: ObjectData | undefined): void;
}

export interface RegistryOptions extends GroupCommitOptions {
  historyLimits?: HistoryLimits;
  /** By `resource.group`. */
  allocators?: ReadonlyMap<string, Allocator>;
  /** History that the store keeps at least, for watches that resume after a restart. @default 10 minutes */
  storeHistoryMs?: number;
}

export interface WriteOptions {
  /** Everything but the store: the answer is what would have been written. @default false */
  dryRun?: boolean;
  /** May be lost with the machine. @default false */
  mayBeLost?: boolean;
}

/** Expired objects that are deleted at once; the rest follow a moment later. */
const EXPIRIES_AT_ONCE = 256;
const EXPIRY_PAUSE_MS = 100;
const COMPACT_EVERY_MS = 60_000;

/** A write that is under way: the newest state of its key, or that it will be gone. */
interface Head {
  object: StoredObject | undefined;
}

/** What a write must do when it is durable. */
interface Accepted<R> {
  resource: R;
  accepted: Omit<ObjectChange, "at">;
  head: Head;
}

export class Registry<R extends StoredResource = StoredResource> {
  readonly cache: Cache;
  readonly #clock: Clock;
  readonly #writer: StoreWriter;
  readonly #commit: GroupCommit<Accepted<R>>;
  readonly #allocators: ReadonlyMap<string, Allocator>;
  readonly #heads = new Map<string, Head>();
  readonly #expiries = new ExpiryQueue<R>();
  readonly #lost = Promise.withResolvers<Error>();
  #lostBecause: Error | undefined;
  #last: Revision;
  #callOffExpiry: (() => void) | undefined;
  #callOffCompaction: (() => void) | undefined;
  #closed = false;

  /** Loads everything that the store has. */
  static async open<R extends StoredResource>(
    writer: StoreWriter,
    resources: readonly R[],
    clock: Clock,
    options: RegistryOptions = {},
  ): Promise<Registry<R>> {
    const byName = new Map(resources.map((resource) => [groupResource(resource), resource]));
    const { revision, historyBegin, objects, changes } = await loadAll(writer, byName, clock.now());
    const cache = new Cache(resources, clock, {
      historyBegin,
      revision,
      ...(options.historyLimits !== undefined && { historyLimits: options.historyLimits }),
    });
    const registry = new Registry<R>(writer, cache, clock, options);
    for (const { resource, object } of objects) registry.#found(resource, object);
    for (const { resource, change } of changes) cache.of(resource).history.add(change);
    registry.#awaitExpiry();
    registry.#keepCompacting(options.storeHistoryMs ?? 10 * 60_000, []);
    return registry;
  }

  private constructor(writer: StoreWriter, cache: Cache, clock: Clock, options: RegistryOptions) {
    this.#writer = writer;
    this.cache = cache;
    this.#clock = clock;
    this.#allocators = options.allocators ?? new Map();
    this.#last = cache.revision;
    this.#commit = new GroupCommit(writer, (writes) => this.#show(writes), (cause) => this.#lose(cause), options);
  }

  /** Resolves when this registry can no longer write, with the reason: the server must end and load anew. */
  get lost(): Promise<Error> {
    return this.#lost.promise;
  }

  /** The newest state, writes under way included: what the next write must be made from. */
  newest(resource: R, namespace: string, name: string): StoredObject | undefined {
    const head = this.#heads.get(objectKey(resource, namespace, name));
    return head === undefined ? this.cache.get(resource, namespace, name) : head.object;
  }

  /** @throws {StatusError} AlreadyExists */
  async insert(resource: R, object: ObjectData, options: WriteOptions = {}): Promise<StoredObject> {
    const { namespace = "", name } = object.metadata;
    if (this.newest(resource, namespace, name) !== undefined) throw alreadyExists(resource, name);
    return await this.#put(resource, object, undefined, options);
  }

  /** Replaces a state by the next one. @throws {StatusError} Conflict, when `from` is not the newest state */
  async replace(
    resource: R,
    object: ObjectData,
    from: StoredObject,
    options: WriteOptions = {},
  ): Promise<StoredObject> {
    this.#refuseUnlessNewest(resource, from);
    return await this.#put(resource, object, from, options);
  }

  /**
   * Deletes.
   * @param last what watchers are told: the last state, perhaps changed by this very write
   * @throws {StatusError} Conflict, when `from` is not the newest state
   */
  async remove(
    resource: R,
    from: StoredObject,
    last: ObjectData = parseObject(from),
    options: WriteOptions = {},
  ): Promise<StoredObject> {
    this.#refuseUnlessNewest(resource, from);
    this.#refuseIfUnable(from.json.length);
    const object = storeObject(resource, last, options.dryRun ? from.revision : this.#last + 1);
    if (options.dryRun) return object;
    return await this.#accept(
      resource,
      { type: "DELETED", revision: object.revision, object, previous: from },
      options,
    );
  }

  /** Waits for writes under way, ends watches, stops timers. The store's writer stays the caller's. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#callOffExpiry?.();
    this.#callOffCompaction?.();
    this.cache.endWatches();
    await this.#commit.settled();
  }

  async #put(
    resource: R,
    next: ObjectData,
    from: StoredObject | undefined,
    options: WriteOptions,
  ): Promise<StoredObject> {
    const allocator = this.#allocators.get(groupResource(resource));
    allocator?.assign(next, from === undefined ? undefined : parseObject(from));
    this.#refuseIfUnable(0);
    const expiresAt = resource.ttlMs === undefined ? undefined : this.#clock.now() + resource.ttlMs;
    const revision = options.dryRun ? from?.revision ?? 0 : this.#last + 1;
    const object = storeObject(resource, next, revision, expiresAt);
    if (object.json.length > LIMITS.valueBytesMax) {
      throw tooLargeEntity(`limit is ${LIMITS.valueBytesMax} bytes`);
    }
    this.#refuseIfUnable(object.json.length);
    if (options.dryRun) return object;
    const type = from === undefined ? "ADDED" : "MODIFIED";
    const previous = from === undefined ? {} : { previous: from };
    return await this.#accept(resource, { type, revision: object.revision, object, ...previous }, options);
  }

  /** From here on the write counts: it has a revision, and later writes are checked against it. */
  async #accept(resource: R, accepted: Omit<ObjectChange, "at">, options: WriteOptions): Promise<StoredObject> {
    const { type, revision, object, previous } = accepted;
    const key = objectKey(resource, object.namespace, object.name);
    const head: Head = { object: type === "DELETED" ? undefined : object };
    this.#last = revision;
    this.#heads.set(key, head);
    const allocator = this.#allocators.get(groupResource(resource));
    allocator?.observe(
      type === "DELETED" ? undefined : parseObject(object),
      previous === undefined ? undefined : parseObject(previous),
    );
    const { json: value, expiresAt } = object;
    const change = type === "DELETED"
      ? { type: "delete" as const, key, value, revision }
      : { type: "put" as const, key, value, revision, ...(expiresAt !== undefined && { expiresAt }) };
    await this.#commit.submit(change, options.mayBeLost ?? false, { resource, accepted, head }).catch((cause) => {
      throw refusal(cause);
    });
    return object;
  }

  /** A batch is durable. */
  #show(writes: readonly PendingWrite<Accepted<R>>[]): void {
    const at = this.#clock.now();
    const changes = writes.map(({ change, origin: { resource, accepted, head } }) => {
      if (this.#heads.get(change.key) === head) this.#heads.delete(change.key);
      if (head.object?.expiresAt !== undefined) {
        this.#expiries.add({ at: head.object.expiresAt, resource, object: head.object });
      }
      return { resource, change: { ...accepted, at } };
    });
    this.cache.apply(changes);
    this.#awaitExpiry();
  }

  #found(resource: R, object: StoredObject): void {
    this.cache.of(resource).index.set(object);
    this.#allocators.get(groupResource(resource))?.observe(parseObject(object), undefined);
    if (object.expiresAt !== undefined) this.#expiries.add({ at: object.expiresAt, resource, object });
  }

  #refuseUnlessNewest(resource: R, from: StoredObject): void {
    const newest = this.newest(resource, from.namespace, from.name);
    if (newest === undefined) throw notFound(resource, from.name);
    if (newest.revision !== from.revision) throw modifiedMeanwhile(resource, from.name);
  }

  #refuseIfUnable(bytes: number): void {
    if (this.#lostBecause !== undefined) throw refusal(this.#lostBecause);
    if (!this.#commit.hasRoom(bytes)) throw tooManyRequests("too many writes are waiting for the store", 1);
  }

  #lose(cause: Error): void {
    this.#lostBecause = cause;
    this.#callOffExpiry?.();
    this.#callOffCompaction?.();
    this.#lost.resolve(cause);
  }

  #awaitExpiry(pauseMs = 0): void {
    const next = this.#expiries.next();
    this.#callOffExpiry?.();
    if (next === undefined || this.#closed || this.#lostBecause !== undefined) return;
    this.#callOffExpiry = this.#clock.after(Math.max(pauseMs, next - this.#clock.now()), () => this.#expire());
  }

  #expire(): void {
    for (const { resource, object } of this.#expiries.take(this.#clock.now(), EXPIRIES_AT_ONCE)) {
      // Written again meanwhile: that write has a place of its own in the queue.
      if (this.newest(resource, object.namespace, object.name) !== object) continue;
      this.remove(resource, object).catch((error) => {
        // Refused for want of room: it is tried again. Anything else is the end, and `lost` tells.
        if (error instanceof StatusError && error.status.code === 429) {
          this.#expiries.add({ at: this.#clock.now(), resource, object });
        }
      });
    }
    this.#awaitExpiry(EXPIRY_PAUSE_MS);
  }

  /** @param marks which revision was the newest when, oldest first, since the last compaction */
  #keepCompacting(keepMs: number, marks: { at: number; revision: Revision }[]): void {
    this.#callOffCompaction = this.#clock.after(COMPACT_EVERY_MS, () => {
      const now = this.#clock.now();
      marks.push({ at: now, revision: this.cache.revision });
      let before: Revision | undefined;
      while (marks.length > 0 && now - marks[0]!.at >= keepMs) before = marks.shift()!.revision;
      // A failed compaction loses nothing; a store that is lost shows at the next write.
      if (before !== undefined) this.#writer.compact(before).catch(() => {});
      this.#keepCompacting(keepMs, marks);
    });
  }
}

/** What writers are told once the store is lost. */
function refusal(cause: Error): StatusError {
  if (cause instanceof Fenced) {
    return serviceUnavailable(`Cannot write as another server has taken over the store: ${cause.message}`, { cause });
  }
  return internalError(`the store has failed, and whether this write was made is unknown: ${cause.message}`, { cause });
}
