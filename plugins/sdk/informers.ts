/**
 * The objects that the controllers of one process look at: one informer a resource, shared. Each knows up to
 * which revision it has seen, so that a controller can wait until it sees its own writes before it plans again:
 * revisions are one counter over all kinds.
 */
import { Informer, type ResourceClient, type ResourceClients } from "@k3ts/client";
import type { KubernetesObject, ResourceRef } from "@k3ts/model/objects";

export interface SharedInformer {
  readonly informer: Informer<KubernetesObject>;
  /** Resolves when an event of this revision or a later one has been seen, or, should none come, after a while. */
  seen(revision: number, signal: AbortSignal): Promise<void>;
  /** Resolves when the object is no longer what it was, by the same rule. */
  changed(object: KubernetesObject, signal: AbortSignal): Promise<void>;
}

/** A write that never shows up here (its object left the selection) must not stop a controller for ever. */
const UNSEEN_MS_MAX = 5_000;

export class SharedInformers {
  #informers = new Map<string, SharedInformer>();

  constructor(
    private readonly clients: ResourceClients,
    private readonly signal: AbortSignal,
    private readonly onError: (error: Error) => void,
  ) {}

  /** The informer of a resource; started when it is first asked for. */
  of(resource: ResourceRef): SharedInformer {
    return this.#ensure(keyOf(resource), () => this.clients.of<KubernetesObject>(resource));
  }

  /** The same, where nobody needs more than `metadata`: of resources that nobody looks at otherwise nothing else is held. */
  metadataOf(resource: ResourceRef): SharedInformer {
    const key = keyOf(resource);
    return this.#informers.get(key) ??
      this.#ensure(`${key}#metadata`, () => onlyMetadata(this.clients.of<KubernetesObject>(resource)));
  }

  #ensure(key: string, client: () => ResourceClient<KubernetesObject>): SharedInformer {
    const existing = this.#informers.get(key);
    if (existing !== undefined) return existing;
    const informer = new Informer(client(), { onError: this.onError });
    const shared = new Tracked(informer);
    this.#informers.set(key, shared);
    informer.start(this.signal);
    return shared;
  }
}

function keyOf({ group, version, resource }: ResourceRef): string {
  return `${group}/${version}/${resource}`;
}

/** Drops, of all that is read, what is not metadata, and who manages which field. For an informer, which lists and watches only. */
function onlyMetadata(client: ResourceClient<KubernetesObject>): ResourceClient<KubernetesObject> {
  const reduced: ResourceClient<KubernetesObject> = Object.create(client);
  reduced.list = async (options) => {
    const list = await client.list(options);
    return { ...list, items: list.items.map(reduce) };
  };
  reduced.watch = async function* (options) {
    for await (const event of client.watch(options)) yield { ...event, object: reduce(event.object) };
  };
  return reduced;
}

function reduce({ apiVersion, kind, metadata }: KubernetesObject): KubernetesObject {
  const { managedFields: _, ...rest } = metadata;
  return { apiVersion, kind, metadata: rest };
}

class Tracked implements SharedInformer {
  #revision = 0;
  #waiting = new Set<{ isDone: () => boolean; resolve: () => void }>();

  constructor(readonly informer: Informer<KubernetesObject>) {
    informer.onChange((_type, object) => this.#advance(Number(object.metadata.resourceVersion)));
  }

  seen(revision: number, signal: AbortSignal): Promise<void> {
    // The revision of a list, or of a bookmark, counts too: it may be all that is heard of what was deleted in between.
    const isDone = () => Math.max(this.#revision, Number(this.informer.resourceVersion ?? 0)) >= revision;
    return this.#until(isDone, signal);
  }

  changed({ metadata }: KubernetesObject, signal: AbortSignal): Promise<void> {
    const isDone = () =>
      this.informer.get(metadata.namespace ?? "", metadata.name)?.metadata.resourceVersion !== metadata.resourceVersion;
    return this.#until(isDone, signal);
  }

  async #until(isDone: () => boolean, signal: AbortSignal): Promise<void> {
    if (isDone()) return;
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { isDone, resolve };
    const onAbort = () => reject(signal.reason);
    const timer = setTimeout(resolve, UNSEEN_MS_MAX);
    this.#waiting.add(waiter);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(waiter);
      signal.removeEventListener("abort", onAbort);
    }
  }

  #advance(revision: number): void {
    this.#revision = Math.max(this.#revision, revision || 0);
    for (const waiter of this.#waiting) if (waiter.isDone()) waiter.resolve();
  }
}
