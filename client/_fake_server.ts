/** The least ResourceService that the client can be tested with: one resource, in memory, with a history. */
import { Code, ConnectError, createRouterTransport, type HandlerContext, type Transport } from "@connectrpc/connect";
import { EventType, ResourceService, StatusDetailSchema, type WatchRequest } from "@k3ts/proto";
import type { StatusDetails } from "./errors.ts";
import type { KubernetesObject } from "./types.ts";

/** What the tests store. */
export interface Thing extends KubernetesObject {
  metadata: { name: string; namespace: string; uid: string; resourceVersion: string; labels?: Record<string, string> };
  value: number;
}

export const THINGS = { group: "example.com", version: "v1", resource: "things", kind: "Thing" };

interface Event {
  revision: number;
  type: EventType;
  object: Thing;
}

export class FakeServer {
  readonly transport: Transport;
  revision = 100;
  /** Calls so far, by method. */
  readonly calls: Record<string, number> = {};
  /** Headers of the last call. */
  header = new Headers();
  /** Who the last writes were said to be from. */
  readonly managers: (string | undefined)[] = [];
  /** Watches that are open. */
  watches = 0;
  /** Thrown by the next calls of a method, one each. */
  readonly failures: Record<string, ConnectError[]> = {};
  #objects = new Map<string, Thing>();
  #history: Event[] = [];
  #compacted = 0;
  #changed = Promise.withResolvers<void>();
  #cut = new AbortController();

  constructor() {
    this.transport = createRouterTransport((router) =>
      router.service(ResourceService, {
        get: ({ resource }, context) => {
          this.#called("get", context);
          return { object: encode(this.#existing(resource)) };
        },
        list: ({ limit, continue: from }, context) => {
          this.#called("list", context);
          const all = [...this.#objects.entries()].sort(([a], [b]) => a < b ? -1 : 1).filter(([key]) => key > from);
          const page = limit > 0n ? all.slice(0, Number(limit)) : all;
          return {
            objects: page.map(([, object]) => encode(object)),
            resourceVersion: String(this.revision),
            continue: page.length < all.length ? page.at(-1)?.[0] : "",
          };
        },
        watch: (request, context) => {
          this.#called("watch", context);
          return this.#watch(request, context);
        },
        create: ({ object, options }, context) => {
          this.#called("create", context);
          this.managers.push(options?.fieldManager);
          const thing: Thing = decode(object);
          if (this.#objects.has(keyOf(thing.metadata))) throw apiError(Code.AlreadyExists, 409, "AlreadyExists");
          return { object: encode(this.put(thing.metadata.name, thing.value)), warnings: ["things are old-fashioned"] };
        },
        update: ({ object, options }, context) => {
          this.#called("update", context);
          this.managers.push(options?.fieldManager);
          const thing: Thing = decode(object);
          if (this.#existing(thing.metadata).metadata.resourceVersion !== thing.metadata.resourceVersion) {
            throw apiError(Code.Aborted, 409, "Conflict");
          }
          return { object: encode(this.put(thing.metadata.name, thing.value)) };
        },
        delete: ({ resource }, context) => {
          this.#called("delete", context);
          this.remove(this.#existing(resource).metadata.name);
          return { object: encode({ apiVersion: "v1", kind: "Status", status: "Success" }) };
        },
      })
    );
  }

  put(name: string, value: number, uid?: string): Thing {
    const key = keyOf({ namespace: "ns", name });
    const old = this.#objects.get(key);
    this.revision++;
    const metadata = {
      name,
      namespace: "ns",
      uid: uid ?? old?.metadata.uid ?? `uid-${this.revision}`,
      resourceVersion: String(this.revision),
    };
    const object = { apiVersion: "example.com/v1", kind: "Thing", metadata, value };
    this.#objects.set(key, object);
    this.#record(old === undefined ? EventType.ADDED : EventType.MODIFIED, object);
    return object;
  }

  remove(name: string): void {
    const old = this.#objects.get(keyOf({ namespace: "ns", name }));
    if (old === undefined) return;
    this.revision++;
    this.#objects.delete(keyOf(old.metadata));
    this.#record(EventType.DELETED, { ...old, metadata: { ...old.metadata, resourceVersion: String(this.revision) } });
  }

  bookmark(): void {
    this.revision++;
    this.#record(EventType.BOOKMARK, JSON.parse(`{"metadata":{"resourceVersion":"${this.revision}"}}`));
  }

  /** Forgets the history. */
  compact(): void {
    this.#history = [];
    this.#compacted = this.revision;
  }

  /** Goes back to how things were at a revision, as from a backup. */
  restore(revision: number, objects: Thing[]): void {
    this.revision = revision;
    this.#history = [];
    this.#objects = new Map(objects.map((object) => [keyOf(object.metadata), object]));
  }

  /** Breaks every watch that is open. */
  cut(): void {
    this.#cut.abort(new ConnectError("the connection broke", Code.Unavailable));
    this.#cut = new AbortController();
  }

  fail(method: string, error: ConnectError): void {
    (this.failures[method] ??= []).push(error);
  }

  async *#watch({ resourceVersion }: WatchRequest, { signal }: HandlerContext) {
    let seen = Number(resourceVersion);
    if (seen > this.revision) {
      const causes = [{ reason: "ResourceVersionTooLarge" }];
      throw apiError(Code.DeadlineExceeded, 504, "Timeout", { causes });
    }
    if (seen < this.#compacted) throw apiError(Code.OutOfRange, 410, "Expired");
    const cut = this.#cut.signal;
    const ended = new Promise<void>((resolve) => {
      for (const end of [signal, cut]) end.addEventListener("abort", () => resolve());
    });
    // By the signal: where nobody pulls any more, a generator never comes to its end.
    const open = new AbortController();
    open.signal.addEventListener("abort", () => this.watches--, { once: true });
    signal.addEventListener("abort", () => open.abort());
    this.watches++;
    try {
      while (!signal.aborted) {
        cut.throwIfAborted();
        const news = this.#history.filter(({ revision }) => revision > seen);
        seen = this.revision;
        if (news.length > 0) yield { events: news.map(({ type, object }) => ({ type, object: encode(object) })) };
        else await Promise.race([this.#changed.promise, ended]);
      }
    } finally {
      open.abort();
    }
  }

  #record(type: EventType, object: Thing): void {
    this.#history.push({ revision: this.revision, type, object });
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  #called(method: string, context: HandlerContext): void {
    this.header = context.requestHeader;
    this.calls[method] = (this.calls[method] ?? 0) + 1;
    const failure = this.failures[method]?.shift();
    if (failure !== undefined) throw failure;
  }

  #existing(name: { namespace: string; name: string } | undefined): Thing {
    const object = name && this.#objects.get(keyOf(name));
    if (object === undefined) throw apiError(Code.NotFound, 404, "NotFound");
    return object;
  }
}

/** As the server's Connect face says it. */
export function apiError(connectCode: Code, code: number, reason: string, details: StatusDetails = {}): ConnectError {
  const message = `as ${reason}`;
  const status = encode({ kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message, details });
  return new ConnectError(reason, connectCode, undefined, [{ desc: StatusDetailSchema, value: { status } }]);
}

function keyOf({ namespace, name }: { namespace: string; name: string }): string {
  return `${namespace}/${name}`;
}

function encode(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}

function decode<R>(json: Uint8Array): R {
  return JSON.parse(new TextDecoder().decode(json));
}
