/** Everything that is durable, of all resources: what reads and watches see. Changed by the registry alone. */
import type { Revision } from "../store/store.ts";
import type { StoredObject } from "../registry/stored_object.ts";
import type { Clock } from "@k3ts/model";
import { groupResource, type Subject, tooLargeResourceVersion, tooManyRequests } from "../status.ts";
import type { ObjectChange } from "./change.ts";
import { Groups } from "./groups.ts";
import type { HistoryLimits } from "./history.ts";
import { ResourceCache } from "./resource_cache.ts";
import { SharedBatches, SharedEvents } from "./shared.ts";
import { Turns } from "./turns.ts";
import { type EventSink, type JoiningSink, Watch, type WatchContext, type WatchOptions } from "./watch.ts";

/** How long a read waits for a revision that is not there yet. */
const FRESH_WAIT_MS = 3_000;
/** Watches at once; further ones are refused. */
const WATCHES_MAX = 16_384;
/** Reads that may wait so at once; further ones are refused as if they had waited. */
const FRESH_WAITERS_MAX = 1024;

export class Cache {
  readonly #clock: Clock;
  readonly #resources = new Map<string, ResourceCache>();
  readonly #watchContext: WatchContext;
  readonly #waiters = new Set<{ revision: Revision; resolve: () => void }>();
  readonly #watches = new Set<Watch>();
  #revision: Revision;

  /** @param historyBegin every change from this revision on will be applied */
  constructor(
    resources: readonly Subject[],
    clock: Clock,
    { historyBegin, revision, historyLimits }: {
      historyBegin: Revision;
      revision: Revision;
      historyLimits?: HistoryLimits;
    },
  ) {
    this.#clock = clock;
    this.#revision = revision;
    this.#watchContext = {
      shared: new SharedEvents(),
      batches: new SharedBatches(),
      turns: new Turns(clock),
      groups: new Groups(),
      visible: () => this.#revision,
      clock,
    };
    for (const resource of resources) {
      this.#resources.set(groupResource(resource), new ResourceCache(historyBegin, historyLimits));
    }
  }

  /** Of the newest visible write. */
  get revision(): Revision {
    return this.#revision;
  }

  get watchCount(): number {
    return this.#watches.size;
  }

  of(resource: Subject): ResourceCache {
    const found = this.#resources.get(groupResource(resource));
    if (found === undefined) throw new TypeError(`Cannot read ${groupResource(resource)} as it is not stored`);
    return found;
  }

  get(resource: Subject, namespace: string, name: string): StoredObject | undefined {
    return this.of(resource).index.get(namespace, name);
  }

  /** Makes one durable batch visible, all at once, and then lets the watches go on. */
  apply(changes: readonly { resource: Subject; change: ObjectChange }[]): void {
    const touched = new Set<ResourceCache>();
    for (const { resource, change } of changes) {
      const cache = this.of(resource);
      cache.apply(change);
      touched.add(cache);
      this.#revision = change.revision;
    }
    for (const cache of touched) for (const follow of [...cache.followers]) follow();
    for (const waiter of [...this.#waiters]) if (waiter.revision <= this.#revision) waiter.resolve();
  }

  /**
   * Resolves when a revision is visible.
   * @throws {StatusError} 504 when it is not within {@link FRESH_WAIT_MS}
   */
  async waitFor(revision: Revision, signal?: AbortSignal): Promise<void> {
    if (revision <= this.#revision) return;
    if (this.#waiters.size >= FRESH_WAITERS_MAX) throw tooLargeResourceVersion(revision, this.#revision);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { revision, resolve };
    const aborted = () => reject(signal!.reason);
    const callOff = this.#clock.after(FRESH_WAIT_MS, () => reject(tooLargeResourceVersion(revision, this.#revision)));
    this.#waiters.add(waiter);
    signal?.addEventListener("abort", aborted);
    try {
      await promise;
    } finally {
      callOff();
      this.#waiters.delete(waiter);
      signal?.removeEventListener("abort", aborted);
    }
  }

  /** Begins a watch; nothing is sent before its first `resume`. Ends, like all others, with {@link endWatches}. */
  watch(resource: Subject, options: WatchOptions, sink: EventSink | JoiningSink): Watch {
    if (this.#watches.size >= WATCHES_MAX) throw tooManyRequests("there are too many watches", 5);
    const ended = () => void this.#watches.delete(watch);
    const watch = new Watch(this.of(resource), options, sink, this.#watchContext, ended);
    this.#watches.add(watch);
    return watch;
  }

  endWatches(): void {
    for (const watch of [...this.#watches]) watch.end();
  }
}
