/**
 * A copy of all objects of one selection, kept up to date: list, then watch from there, list again only where the
 * server no longer has the history. Events say that something has changed; act on what `get` and `list` return.
 */
import { backoffMs, type BackoffOptions, Pause } from "./backoff.ts";
import { isExpired, isResourceVersionTooLarge } from "./errors.ts";
import { type Change, ObjectStore } from "./object_store.ts";
import { withinTrace } from "./telemetry/trace.ts";
import type { KubernetesObject, ResourceClient, Selection } from "./types.ts";

/** `old` is what was held before: for a change the last state, for a deletion too; undefined for what is new. */
export type ChangeHandler<T> = (type: Change<T>["type"], object: T, old: T | undefined) => void;

export interface InformerOptions extends Selection {
  backoff?: BackoffOptions;
  /** Told of every failed list or watch, and of handlers that throw. @default console.warn */
  onError?: (error: Error) => void;
}

/** Objects by keys that a function finds in them. */
export interface Index<T> {
  get(key: string): readonly T[];
}

/** About so long the server is asked to keep a watch open, so that one that died unnoticed is opened anew. */
const WATCH_SECONDS = 300;

/** Reads are of memory: as new as the last event that has arrived, empty before the first list. */
export class Informer<T extends KubernetesObject> {
  /** Resolves once the first list is in; rejects with the signal's reason where that comes first. */
  readonly synced: Promise<void>;
  #synced = Promise.withResolvers<void>();
  #hasSynced = false;
  #store = new ObjectStore<T>();
  #handlers = new Set<ChangeHandler<T>>();
  #started = false;
  /** Undefined: a list must come first. */
  #resourceVersion: string | undefined;
  #failures = 0;
  readonly #pause = new Pause();

  constructor(readonly client: ResourceClient<T>, readonly options: InformerOptions = {}) {
    this.synced = this.#synced.promise;
    // Nobody needs to wait for it.
    this.synced.catch(() => {});
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Up to where the copy is known to be complete; undefined before the first list, and before one that is due. */
  get resourceVersion(): string | undefined {
    return this.#resourceVersion;
  }

  /** Runs until the signal fires, then resolves. Failures are retried for ever, with backoff. */
  async start(signal: AbortSignal): Promise<void> {
    const { resource } = this.client.resource;
    if (this.#started) throw new Error(`Cannot start informer of ${resource} as it may be started once: it has been`);
    this.#started = true;
    while (!signal.aborted) {
      try {
        if (this.#resourceVersion === undefined) await this.#list(signal);
        await this.#watch(signal);
      } catch (error) {
        if (signal.aborted) break;
        if (isExpired(error) || isResourceVersionTooLarge(error)) this.#resourceVersion = undefined;
        this.#failures++;
        this.#report(new Error(`Cannot watch ${resource}: ${messageOf(error)}`, { cause: error }));
      }
      await this.#wait(signal);
    }
    this.#synced.reject(signal.reason);
  }

  /** Asks the server at once where it waits to ask again: somebody has heard that it is there. */
  retryNow(): void {
    this.#failures = 0;
    this.#pause.end();
  }

  /** @param namespace empty for what has none */
  get(namespace: string, name: string): T | undefined {
    return this.#store.get(namespace, name);
  }

  /** @param namespace @default all */
  list(namespace?: string): T[] {
    return this.#store.list(namespace);
  }

  /** Objects by what a function finds in them, kept up to date: `informer.index((pod) => [pod.spec.nodeName ?? ""])`. */
  index(keysOf: (object: T) => readonly string[]): Index<T> {
    return this.#store.index(keysOf);
  }

  /**
   * Calls a handler for every change from now on, after the copy has taken it over; begins with what is there already.
   * A handler runs within the trace of the write that led to the change.
   * @returns a function that ends it
   */
  onChange(handler: ChangeHandler<T>): () => void {
    this.#handlers.add(handler);
    for (const object of this.#store.list()) this.#tell(handler, { type: "added", object });
    return () => void this.#handlers.delete(handler);
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { items, resourceVersion } = await this.client.list({ ...this.#selection(), signal });
    this.#publish(this.#store.replace(items));
    this.#resourceVersion = resourceVersion;
    this.#failures = 0;
    this.#hasSynced = true;
    this.#synced.resolve();
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const events = this.client.watch({
      ...this.#selection(),
      ...(this.#resourceVersion !== undefined && { resourceVersion: this.#resourceVersion }),
      allowBookmarks: true,
      // Not all at once.
      timeoutSeconds: Math.round(WATCH_SECONDS * (1 + this.#random())),
      signal,
    });
    for await (const { type, object, traceparent } of events) {
      withinTrace(traceparent, () => {
        if (type === "DELETED") this.#publish(this.#store.remove(object));
        else if (type !== "BOOKMARK") this.#publish(this.#store.put(object));
      });
      this.#resourceVersion = object.metadata.resourceVersion ?? this.#resourceVersion;
      this.#failures = 0;
    }
  }

  /** Also after a watch that ended well, a little, lest a server that ends each at once is asked without pause. */
  async #wait(signal: AbortSignal): Promise<void> {
    const options = { ...this.options.backoff, random: () => this.#random() };
    await this.#pause.wait(backoffMs(Math.max(1, this.#failures), options), signal);
  }

  #publish(changes: Change<T>[]): void {
    for (const change of changes) {
      for (const handler of [...this.#handlers]) this.#tell(handler, change);
    }
  }

  #tell(handler: ChangeHandler<T>, { type, object, old }: Change<T>): void {
    try {
      handler(type, object, old);
    } catch (error) {
      const { resource } = this.client.resource;
      this.#report(new Error(`Cannot hand on change of ${resource}: ${messageOf(error)}`, { cause: error }));
    }
  }

  #report(error: Error): void {
    if (this.options.onError !== undefined) this.options.onError(error);
    else console.warn(error.message);
  }

  #random(): number {
    return (this.options.backoff?.random ?? Math.random)();
  }

  #selection(): Selection {
    const { namespace, labelSelector, fieldSelector } = this.options;
    return { namespace, labelSelector, fieldSelector };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
