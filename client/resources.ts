/** Typed objects over any transport. */
import type { Transport } from "@connectrpc/connect";
import { Encoding, EventType, PatchType } from "@k3ts/proto";
import { Caller } from "./calls.ts";
import { ApiError, isExpired, parseStatus } from "./errors.ts";
import type {
  ApplyOptions,
  DeleteOptions,
  GetOptions,
  KubernetesObject,
  List,
  ListOptions,
  NewObject,
  PatchOptions,
  ResourceClient,
  ResourceClientOptions,
  ResourceClients,
  ResourceReference,
  Selection,
  SubresourceOptions,
  Table,
  UpdateOptions,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from "./types.ts";

/** Objects a page. The server ends a page of large ones earlier. */
const PAGE_SIZE = 500;
/** How often a list begins again as its next page has expired. */
const LIST_TRIES_MAX = 3;

const PATCH_TYPES = {
  json: PatchType.JSON,
  merge: PatchType.MERGE,
  strategic: PatchType.STRATEGIC_MERGE,
  apply: PatchType.APPLY,
};

const EVENT_TYPES: Partial<Record<EventType, WatchEvent<unknown>["type"]>> = {
  [EventType.ADDED]: "ADDED",
  [EventType.MODIFIED]: "MODIFIED",
  [EventType.DELETED]: "DELETED",
  [EventType.BOOKMARK]: "BOOKMARK",
};

/** Clients of every resource that the transport's server serves. */
export function createResourceClient(transport: Transport, options: ResourceClientOptions = {}): ResourceClients {
  const caller = new Caller(transport, options);
  return {
    of: (resource) => new TypedClient(caller, resource),
    discover: async (call) => (await caller.call((client, rpc) => client.discover({}, rpc), call)).resources,
  };
}

interface Target {
  group: string;
  version: string;
  resource: string;
  namespace: string;
  name: string;
  subresource: string;
}

class TypedClient<T extends KubernetesObject> implements ResourceClient<T> {
  constructor(readonly caller: Caller, readonly resource: ResourceReference) {}

  get(name: string, options: GetOptions = {}): Promise<T> {
    return this.#get(name, options);
  }

  getSubresource<R = T>(name: string, options: GetOptions & { subresource: string }): Promise<R> {
    return this.#get(name, options);
  }

  async list(options: ListOptions = {}): Promise<List<T>> {
    if (options.limit !== undefined) return await this.#page(options);
    for (let tries = 1;; tries++) {
      try {
        return await this.#allPages(options);
      } catch (error) {
        if (!isExpired(error) || tries >= LIST_TRIES_MAX || options.resourceVersion) throw error;
      }
    }
  }

  async *watch(options: WatchOptions = {}): AsyncGenerator<WatchEvent<T>, void, undefined> {
    yield* this.#watch<T>(Encoding.JSON, options);
  }

  async create(object: NewObject<T>, options: WriteOptions = {}): Promise<T> {
    const namespace = options.namespace ?? object.metadata.namespace;
    return await this.#create<T>(this.#name({ namespace, name: object.metadata.name }), this.#typed(object), options);
  }

  async update(object: T, options: UpdateOptions = {}): Promise<T> {
    const resource = this.#nameOf("update", object, options);
    const request = {
      resource,
      encoding: Encoding.JSON,
      object: encode(this.#typed(object)),
      options: this.#written(options),
    };
    const response = await this.caller.call((client, rpc) => client.update(request, rpc), options);
    this.caller.warn(response.warnings);
    return decode(response.object);
  }

  updateStatus(object: T, options: WriteOptions = {}): Promise<T> {
    return this.update(object, { ...options, subresource: "status" });
  }

  async patch(name: string, options: PatchOptions): Promise<T> {
    return (await this.#patch(name, options)).object;
  }

  async apply(object: NewObject<T>, options: ApplyOptions): Promise<{ object: T; created: boolean }> {
    const { name, namespace } = this.#nameOf("apply", object, options);
    return await this.#patch(name, { ...options, namespace, type: "apply", patch: this.#typed(object) });
  }

  async delete(name: string, options: DeleteOptions = {}): Promise<T | undefined> {
    const resource = this.#name({ namespace: options.namespace, name });
    const request = { resource, encoding: Encoding.JSON, options: deletion(options) };
    const response = await this.caller.call((client, rpc) => client.delete(request, rpc), options);
    if (response.object.length === 0) return undefined;
    const answer: T = decode(response.object);
    return answer.kind === "Status" && answer.apiVersion === "v1" ? undefined : answer;
  }

  async deleteCollection(options: Selection & DeleteOptions = {}): Promise<number> {
    const request = { ...this.#selected(options), options: deletion(options) };
    return Number((await this.caller.call((client, rpc) => client.deleteCollection(request, rpc), options)).deleted);
  }

  async createSubresource<R = unknown>(name: string, options: SubresourceOptions): Promise<R> {
    const { namespace, subresource } = options;
    return await this.#create<R>(this.#name({ namespace, name, subresource }), options.object, options);
  }

  getTable(name: string, options: GetOptions = {}): Promise<Table> {
    return this.#get(name, { ...options, encoding: Encoding.TABLE });
  }

  async listTable(options: ListOptions = {}): Promise<Table> {
    const response = await this.#list(Encoding.TABLE, options);
    const [table] = response.objects;
    if (table === undefined) {
      throw new ApiError({
        message: `Cannot list ${this.resource.resource} as the answer must hold a table: it is empty`,
      });
    }
    return decode(table);
  }

  async *watchTable(options: WatchOptions = {}): AsyncGenerator<WatchEvent<Table>, void, undefined> {
    yield* this.#watch<Table>(Encoding.TABLE, options);
  }

  async #get<R>(name: string, options: GetOptions & { subresource?: string; encoding?: Encoding }): Promise<R> {
    const { namespace, subresource, resourceVersion, encoding = Encoding.JSON } = options;
    const request = { resource: this.#name({ namespace, name, subresource }), encoding, resourceVersion };
    return decode((await this.caller.call((client, rpc) => client.get(request, rpc), options)).object);
  }

  #list(encoding: Encoding, options: ListOptions) {
    const { limit = 0, continue: from, resourceVersion, resourceVersionMatch } = options;
    const request = {
      ...this.#selected(options),
      encoding,
      limit: BigInt(limit),
      continue: from,
      resourceVersion,
      resourceVersionMatch,
    };
    return this.caller.call((client, rpc) => client.list(request, rpc), options);
  }

  async #page(options: ListOptions): Promise<List<T>> {
    const page = await this.#list(Encoding.JSON, options);
    return {
      items: page.objects.map((object) => decode<T>(object)),
      resourceVersion: page.resourceVersion,
      ...(page.continue !== "" && {
        continue: page.continue,
        remainingItemCount: Number(page.remainingItemCount),
      }),
    };
  }

  async #allPages(options: ListOptions): Promise<List<T>> {
    const first = await this.#page({ ...options, limit: PAGE_SIZE });
    const items = first.items;
    // What the first page was asked with, its token knows.
    const { resourceVersion: _, resourceVersionMatch: __, ...rest } = options;
    for (let next = first.continue; next !== undefined;) {
      const page = await this.#page({ ...rest, limit: PAGE_SIZE, continue: next });
      for (const item of page.items) items.push(item);
      next = page.continue;
    }
    return { items, resourceVersion: first.resourceVersion };
  }

  async *#watch<R>(encoding: Encoding, options: WatchOptions): AsyncGenerator<WatchEvent<R>, void, undefined> {
    const request = {
      ...this.#selected(options),
      encoding,
      resourceVersion: options.resourceVersion,
      allowBookmarks: options.allowBookmarks ?? false,
      timeoutSeconds: BigInt(options.timeoutSeconds ?? 0),
    };
    for await (const { events } of this.caller.stream((client, rpc) => client.watch(request, rpc), options.signal)) {
      for (const { type, object, traceparent } of events) {
        if (type === EventType.ERROR) throw new ApiError(parseStatus(object) ?? {});
        const known = EVENT_TYPES[type];
        if (known !== undefined) yield { type: known, object: decode<R>(object), traceparent };
      }
    }
  }

  async #create<R>(resource: Target, object: unknown, options: WriteOptions): Promise<R> {
    const request = { resource, encoding: Encoding.JSON, object: encode(object), options: this.#written(options) };
    const response = await this.caller.call((client, rpc) => client.create(request, rpc), options);
    this.caller.warn(response.warnings);
    return decode(response.object);
  }

  async #patch(name: string, options: PatchOptions): Promise<{ object: T; created: boolean }> {
    const { namespace, subresource, type, patch, force = false } = options;
    const request = {
      resource: this.#name({ namespace, name, subresource }),
      encoding: Encoding.JSON,
      type: PATCH_TYPES[type],
      patch: typeof patch === "string" ? new TextEncoder().encode(patch) : encode(patch),
      options: this.#written(options),
      force,
    };
    const response = await this.caller.call((client, rpc) => client.patch(request, rpc), options);
    this.caller.warn(response.warnings);
    return { object: decode(response.object), created: response.created };
  }

  #selected({ namespace, labelSelector, fieldSelector }: Selection) {
    return { resource: this.#name({ namespace }), labelSelector, fieldSelector };
  }

  #nameOf(action: string, object: NewObject<T>, options: UpdateOptions): Target {
    const { name, namespace } = object.metadata;
    if (name === undefined || name === "") {
      throw new TypeError(`Cannot ${action} object of ${this.resource.resource} as it must have a name: it has none`);
    }
    return this.#name({ name, namespace: options.namespace ?? namespace, subresource: options.subresource });
  }

  #name(
    { namespace = "", name = "", subresource = "" }: { namespace?: string; name?: string; subresource?: string },
  ): Target {
    const { group, version, resource } = this.resource;
    return { group, version, resource, namespace, name, subresource };
  }

  #written({ dryRun, fieldManager = this.caller.options.fieldManager, fieldValidation }: WriteOptions) {
    return { dryRun, fieldManager, fieldValidation };
  }

  #typed(object: NewObject<T>): NewObject<T> {
    const { group, version, kind } = this.resource;
    if (kind === undefined) return object;
    return { apiVersion: group === "" ? version : `${group}/${version}`, kind, ...object };
  }
}

function deletion({ gracePeriodSeconds, propagationPolicy, preconditions, dryRun }: DeleteOptions) {
  return {
    gracePeriodSeconds: gracePeriodSeconds === undefined ? undefined : BigInt(gracePeriodSeconds),
    propagationPolicy,
    preconditionUid: preconditions?.uid,
    preconditionResourceVersion: preconditions?.resourceVersion,
    dryRun,
  };
}

function encode(object: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(object));
}

/** The server answers with the type that was asked for: nothing here checks it again. */
function decode<R>(json: Uint8Array): R {
  return JSON.parse(new TextDecoder().decode(json));
}
