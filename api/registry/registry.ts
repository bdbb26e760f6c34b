/**
 * The one writer of the cluster.
 *
 * A write is checked against memory, with what is still under way included, allocates what it needs, gets a revision,
 * joins the current group commit, and when that is durable becomes visible, is shown to watchers and is answered, in
 * this order. Everything up to joining the commit happens in one turn of the event loop, so no lock is needed.
 *
 * When the store fails (a full disk), nobody knows what it holds: every write under way and every later one is refused,
 * reads and watches go on, and the store is opened again until that succeeds. What it turns out to have written though
 * nobody was told becomes visible then. When another writer has fenced this one, {@link Registry.lost} tells the server
 * to end.
 */
import { Fenced, LIMITS, type Revision, type StoreWriter } from "../store/store.ts";
import { type Clock, momentOf, type MonotonicTime, type WallTime } from "@k3ts/model";
import type { ObjectChange } from "../cache/change.ts";
import { Cache } from "../cache/cache.ts";
import {
  alreadyExists,
  groupResource,
  modifiedMeanwhile,
  notFound,
  tooLargeEntity,
  tooManyRequests,
} from "../status.ts";
import { Compaction } from "./compaction.ts";
import { ExpiryQueue } from "./expiry.ts";
import { GroupCommit, type PendingWrite } from "./group_commit.ts";
import { objectKey } from "./keys.ts";
import { loadHistory, loadObjects } from "./load.ts";
import { pause, readUnseen, Unrecoverable } from "./recovery.ts";
import type { Allocator, RegistryOptions, WriteOptions } from "./options.ts";
import { refusal, refusalSince } from "./store_failure.ts";
import { type ObjectData, parseObject, type StoredObject, type StoredResource, storeObject } from "./stored_object.ts";

/** Expired objects that are deleted at once; the rest follow a moment later. */
const EXPIRIES_AT_ONCE = 256;
const EXPIRY_PAUSE_MS = 100;
const STORE_HISTORY_MS = 10 * 60_000;
/** Between attempts to open the store again: this long at first, twice as long each time, and never longer. */
const REOPEN_PAUSE_MS = 250;
const REOPEN_PAUSE_MS_MAX = 5_000;

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
  readonly #options: RegistryOptions;
  readonly #resources: ReadonlyMap<string, R>;
  #writer: StoreWriter;
  #commit: GroupCommit<Accepted<R>>;
  readonly #allocators: ReadonlyMap<string, Allocator>;
  readonly #heads = new Map<string, Head>();
  readonly #expiries = new ExpiryQueue<R>();
  readonly #lost = Promise.withResolvers<Error>();
  /** While there is one, no write is taken. */
  #failure: Error | undefined;
  #recovering: Promise<void> | undefined;
  #last: Revision;
  /** The next look at what has expired. */
  #look: { at: MonotonicTime; callOff: () => void } | undefined;
  readonly #compaction: Compaction;
  readonly #closed = new AbortController();

  /** Loads everything that the store has. */
  static async open<R extends StoredResource>(
    writer: StoreWriter,
    resources: readonly R[],
    clock: Clock,
    options: RegistryOptions = {},
  ): Promise<Registry<R>> {
    const byName = new Map(resources.map((resource) => [groupResource(resource), resource]));
    const { historyLimits } = options;
    const now = momentOf(clock);
    const { begin: historyBegin, changes, newest } = await loadHistory(writer, byName, now);
    let registry: Registry<R> | undefined;
    for await (const { revision, objects } of loadObjects(writer, byName, newest, now)) {
      const cacheOptions = { historyBegin, revision, ...(historyLimits !== undefined && { historyLimits }) };
      registry ??= new Registry<R>(writer, byName, new Cache(resources, clock, cacheOptions), clock, options);
      for (const { resource, object } of objects) registry.#found(resource, object);
    }
    if (registry === undefined) throw new Error("Cannot load the store as it must yield a page: there is none");
    for (const { resource, change } of changes) registry.cache.of(resource).history.add(change);
    registry.#awaitExpiry();
    registry.#compaction.start();
    return registry;
  }

  private constructor(
    writer: StoreWriter,
    resources: ReadonlyMap<string, R>,
    cache: Cache,
    clock: Clock,
    options: RegistryOptions,
  ) {
    this.#options = options;
    this.#resources = resources;
    this.#writer = writer;
    this.cache = cache;
    this.#clock = clock;
    this.#allocators = options.allocators ?? new Map();
    this.#last = cache.revision;
    this.#commit = this.#commitTo(writer);
    this.#compaction = new Compaction(clock, options.storeHistoryMs ?? STORE_HISTORY_MS, {
      newest: () => this.cache.revision,
      compact: (before) => this.#writer.compact(before),
    }, this.#closed.signal);
  }

  /** The writer of now: another one after each failure of the store. */
  get writer(): StoreWriter {
    return this.#writer;
  }

  /** Why no write is taken now, if that is so. */
  get failure(): Error | undefined {
    return this.#failure;
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

  /** Waits for writes under way, ends watches, stops timers. The store's {@link writer} stays the caller's. */
  async close(): Promise<void> {
    this.#closed.abort();
    this.#callOffLook();
    this.#compaction.stop();
    this.cache.endWatches();
    await this.#commit.settled();
    await this.#recovering;
  }

  #commitTo(writer: StoreWriter): GroupCommit<Accepted<R>> {
    return new GroupCommit<Accepted<R>>(
      writer,
      this.#clock,
      { onDurable: (writes) => this.#show(writes), onFailure: (cause) => this.#fail(cause) },
      this.#options,
    );
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
    const expiresAt = resource.ttlMs === undefined ? undefined : this.#clock.monotonic() + resource.ttlMs;
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
  async #accept(
    resource: R,
    untraced: Omit<ObjectChange, "at" | "traceparent">,
    options: WriteOptions,
  ): Promise<StoredObject> {
    const { tracing } = this.#options;
    const traceparent = tracing?.current() ?? "";
    const accepted = traceparent === "" ? untraced : { ...untraced, traceparent };
    const { type, revision, object, previous } = accepted;
    const key = objectKey(resource, object.namespace, object.name);
    const head: Head = { object: type === "DELETED" ? undefined : object };
    this.#last = revision;
    this.#heads.set(key, head);
    this.#observe(resource, head.object, previous);
    const { json: value } = object;
    const expiresAt = this.#storedExpiryOf(object);
    const change = type === "DELETED"
      ? { type: "delete" as const, key, value, revision }
      : { type: "put" as const, key, value, revision, ...(expiresAt !== undefined && { expiresAt }) };
    const commit = () =>
      this.#commit.submit(change, options.mayBeLost ?? false, { resource, accepted, head }).catch((cause) => {
        throw refusal(cause);
      });
    await (tracing === undefined || traceparent === "" ? commit() : tracing.span("store commit", commit));
    return object;
  }

  /** A batch is durable. */
  #show(writes: readonly PendingWrite<Accepted<R>>[]): void {
    const at = this.#clock.monotonic();
    const changes = writes.map(({ change, origin: { resource, accepted, head } }) => {
      if (this.#heads.get(change.key) === head) this.#heads.delete(change.key);
      if (head.object?.expiresAt !== undefined) {
        this.#awaitExpiryOf(resource, head.object);
      }
      return { resource, change: { ...accepted, at } };
    });
    this.cache.apply(changes);
    this.#awaitExpiry();
  }

  #found(resource: R, object: StoredObject): void {
    this.cache.of(resource).index.set(object);
    this.#observe(resource, object, undefined);
    this.#awaitExpiryOf(resource, object);
  }

  /** The next server has another process's time. */
  #storedExpiryOf({ expiresAt }: StoredObject): WallTime | undefined {
    const { wall, monotonic } = this.#clock;
    return expiresAt === undefined ? undefined : Math.round(wall() + expiresAt - monotonic());
  }

  #awaitExpiryOf(resource: R, { namespace, name, expiresAt }: StoredObject): void {
    if (expiresAt !== undefined) this.#expiries.add({ at: expiresAt, resource, namespace, name });
  }

  #refuseUnlessNewest(resource: R, from: StoredObject): void {
    const newest = this.newest(resource, from.namespace, from.name);
    if (newest === undefined) throw notFound(resource, from.name);
    if (newest.revision !== from.revision) throw modifiedMeanwhile(resource, from.name);
  }

  #refuseIfUnable(bytes: number): void {
    if (this.#failure !== undefined) throw refusalSince(this.#failure);
    if (!this.#commit.hasRoom(bytes)) throw tooManyRequests("too many writes are waiting for the store", 1);
  }

  #fail(cause: Error): void {
    this.#failure = cause;
    this.#callOffLook();
    this.#compaction.stop();
    this.#options.onStoreFailure?.(cause);
    const { reopen } = this.#options;
    if (reopen === undefined || cause instanceof Fenced) this.#lost.resolve(cause);
    else this.#recovering = this.#recover(reopen);
  }

  /** Opens the store again until that succeeds, and goes on from what it holds. */
  async #recover(reopen: () => Promise<StoreWriter>): Promise<void> {
    await this.#commit.settled();
    this.#undo(this.#commit.failed);
    await this.#discardWriter();
    let pauseMs = REOPEN_PAUSE_MS;
    while (!this.#closed.signal.aborted) {
      try {
        this.#writer = await reopen();
        return await this.#resume();
      } catch (error) {
        this.#failure = error instanceof Error ? error : new Error(String(error));
        this.#options.onStoreFailure?.(this.#failure);
        await this.#discardWriter();
        if (error instanceof Fenced || error instanceof Unrecoverable) return this.#lost.resolve(error);
      }
      await pause(this.#clock, pauseMs, this.#closed.signal);
      pauseMs = Math.min(pauseMs * 2, REOPEN_PAUSE_MS_MAX);
    }
  }

  /** That it could not write is known; what else it has to say at its end changes nothing. */
  async #discardWriter(): Promise<void> {
    try {
      await this.#writer[Symbol.asyncDispose]();
    } catch { /* as said */ }
  }

  /** As if these writes had never been accepted. */
  #undo(writes: readonly PendingWrite<Accepted<R>>[]): void {
    for (const { origin: { resource, accepted } } of writes.toSorted((a, b) => b.change.revision - a.change.revision)) {
      const { type, object, previous } = accepted;
      this.#observe(resource, previous, type === "DELETED" ? undefined : object);
    }
    this.#heads.clear();
    this.#last = this.cache.revision;
  }

  async #resume(): Promise<void> {
    const unseen = await readUnseen(this.#writer, this.#resources, this.cache, momentOf(this.#clock));
    for (const { resource, change: { type, object, previous } } of unseen) {
      this.#observe(resource, type === "DELETED" ? undefined : object, previous);
      if (type !== "DELETED") this.#awaitExpiryOf(resource, object);
    }
    this.cache.apply(unseen);
    this.#last = this.cache.revision;
    this.#commit = this.#commitTo(this.#writer);
    this.#failure = undefined;
    this.#options.onStoreFailure?.(undefined);
    this.#awaitExpiry();
    this.#compaction.start();
  }

  #observe(resource: R, next: StoredObject | undefined, previous: StoredObject | undefined): void {
    const allocator = this.#allocators.get(groupResource(resource));
    const parse = (object: StoredObject | undefined) => object === undefined ? undefined : parseObject(object);
    allocator?.observe(parse(next), parse(previous));
  }

  #awaitExpiry(pauseMs = 0): void {
    const next = this.#expiries.next();
    if (next === undefined || this.#closed.signal.aborted || this.#failure !== undefined) return this.#callOffLook();
    const now = this.#clock.monotonic();
    const at = Math.max(next, now + pauseMs);
    // One that comes too early looks again. Each write calling one off would leave thousands behind: Deno keeps something
    // for each length of timers until such a timer would have been due.
    if (this.#look !== undefined && this.#look.at <= at) return;
    this.#callOffLook();
    this.#look = { at, callOff: this.#clock.after(Math.max(0, at - now), () => this.#expire()) };
  }

  #callOffLook(): void {
    this.#look?.callOff();
    this.#look = undefined;
  }

  #expire(): void {
    this.#look = undefined;
    const now = this.#clock.monotonic();
    for (const expiring of this.#expiries.take(now, EXPIRIES_AT_ONCE)) {
      const { resource, namespace, name } = expiring;
      const object = this.newest(resource, namespace, name);
      if (object?.expiresAt === undefined) continue;
      if (object.expiresAt > now) this.#awaitExpiryOf(resource, object); // written again meanwhile
      else {
        this.remove(resource, object).catch(() => {
          // Refused, or the store has failed: it is tried again.
          this.#expiries.add({ ...expiring, at: this.#clock.monotonic() });
          this.#awaitExpiry(EXPIRY_PAUSE_MS);
        });
      }
    }
    this.#awaitExpiry(EXPIRY_PAUSE_MS);
  }
}
