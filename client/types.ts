/** What callers and callees of the typed client have in common. */
import type { DiscoveredResource } from "@k3ts/proto";

/** The least that every object has. The types of `@k3ts/model` satisfy it. */
export interface KubernetesObject {
  apiVersion?: string;
  kind?: string;
  metadata: {
    name?: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    deletionTimestamp?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
}

/** An object that has not been written yet: the server gives it what its metadata lacks. */
export type NewObject<T extends KubernetesObject> = Omit<T, "metadata"> & { metadata: Partial<T["metadata"]> };

/** A row of the table of resources, as in a URL path. `resources.pods` of `@k3ts/model` is one, and knows its type. */
export interface ResourceReference<T = unknown> {
  /** Empty for the core group. */
  group: string;
  version: string;
  /** The plural name: `pods`. */
  resource: string;
  /** Written into objects that name no kind themselves. */
  kind?: string;
  /** Never there at run time: it only carries the type. */
  readonly object?: T;
}

export interface CallOptions {
  /** Ends the call; it then throws the signal's reason. */
  signal?: AbortSignal;
  /** Milliseconds. @default 30,000, none for watches */
  timeoutMs?: number;
}

export interface GetOptions extends CallOptions {
  namespace?: string;
  resourceVersion?: string;
}

/** Which objects. Without a namespace: of all namespaces. */
export interface Selection {
  namespace?: string;
  /** As in a URL: `app=web,tier!=cache`. */
  labelSelector?: string;
  /** As in a URL: `spec.nodeName=n1`. */
  fieldSelector?: string;
}

export interface ListOptions extends Selection, CallOptions {
  /** Most objects of the answer, which then may name where to continue. @default all, asked for in pages */
  limit?: number;
  /** `continue` of the last answer. */
  continue?: string;
  resourceVersion?: string;
  resourceVersionMatch?: "Exact" | "NotOlderThan";
}

export interface List<T> {
  items: T[];
  /** Of the moment that the list shows: a watch from here misses nothing. */
  resourceVersion: string;
  /** Where the next page begins; only where a limit was given. */
  continue?: string;
  remainingItemCount?: number;
}

export interface WatchOptions extends Selection {
  /** What happened after it. Without it the watch begins with all objects as they are. */
  resourceVersion?: string;
  allowBookmarks?: boolean;
  /** Ends the watch, without an error, after about that time. @default the server's own limit */
  timeoutSeconds?: number;
  /** Ends the watch; it then throws the signal's reason. */
  signal?: AbortSignal;
}

export interface WatchEvent<T> {
  /** A bookmark's object has nothing but a resourceVersion. */
  type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  /** For a deletion: its last state, with the revision of the deletion. */
  object: T;
  /** W3C Trace Context of the write that led to it; empty where that is not traced. */
  traceparent: string;
}

export interface WriteOptions extends CallOptions {
  /** @default the object's own */
  namespace?: string;
  dryRun?: boolean;
  fieldManager?: string;
  /** @default "Warn" */
  fieldValidation?: "Ignore" | "Warn" | "Strict";
}

export interface UpdateOptions extends WriteOptions {
  /** Such as `status`. */
  subresource?: string;
}

export interface PatchOptions extends UpdateOptions {
  type: "json" | "merge" | "strategic" | "apply";
  /** What JSON can say; for `apply` it may be YAML, as text. */
  patch: unknown;
  /** Apply: take over fields that other managers own. */
  force?: boolean;
}

export interface ApplyOptions extends UpdateOptions {
  fieldManager: string;
  force?: boolean;
}

export interface DeleteOptions extends CallOptions {
  namespace?: string;
  /** @default the object's own */
  gracePeriodSeconds?: number;
  /** @default the resource's own */
  propagationPolicy?: "Background" | "Foreground" | "Orphan";
  preconditions?: { uid?: string; resourceVersion?: string };
  dryRun?: boolean;
}

export interface SubresourceOptions extends WriteOptions {
  /** Such as `binding`, `token`, `eviction`. */
  subresource: string;
  object: unknown;
}

/** meta.k8s.io/v1 Table: objects as columns for people. */
export interface Table {
  metadata?: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
  columnDefinitions: { name: string; type: string; format: string; description: string; priority: number }[];
  rows: { cells: unknown[]; object?: KubernetesObject }[];
}

/** Objects of one resource. Every call throws an `ApiError`, or the reason of its signal. */
export interface ResourceClient<T extends KubernetesObject> {
  readonly resource: ResourceReference;
  get(name: string, options?: GetOptions): Promise<T>;
  getSubresource<R = T>(name: string, options: GetOptions & { subresource: string }): Promise<R>;
  list(options?: ListOptions): Promise<List<T>>;
  /** Ends when the server ends it; throws an ApiError of code 410 where the revision is too old. */
  watch(options?: WatchOptions): AsyncGenerator<WatchEvent<T>, void, undefined>;
  create(object: NewObject<T>, options?: WriteOptions): Promise<T>;
  update(object: T, options?: UpdateOptions): Promise<T>;
  updateStatus(object: T, options?: WriteOptions): Promise<T>;
  patch(name: string, options: PatchOptions): Promise<T>;
  /** Server-side apply: makes the object if it is missing. */
  apply(object: NewObject<T>, options: ApplyOptions): Promise<{ object: T; created: boolean }>;
  /** The object, where it lives on for its grace or finalizers; undefined where it is gone. */
  delete(name: string, options?: DeleteOptions): Promise<T | undefined>;
  /** How many were deleted, or are being deleted. */
  deleteCollection(options?: Selection & DeleteOptions): Promise<number>;
  /** What the subresource answers: for most the object that was sent, filled in. */
  createSubresource<R = unknown>(name: string, options: SubresourceOptions): Promise<R>;
  getTable(name: string, options?: GetOptions): Promise<Table>;
  listTable(options?: ListOptions): Promise<Table>;
  /** Each event's table has one row. */
  watchTable(options?: WatchOptions): AsyncGenerator<WatchEvent<Table>, void, undefined>;
}

export interface ResourceClients {
  of<T extends KubernetesObject>(resource: ResourceReference<T>): ResourceClient<T>;
  /** What the server serves. */
  discover(options?: CallOptions): Promise<DiscoveredResource[]>;
}

export interface ResourceClientOptions {
  /** On whose behalf a plugin calls: one of the identities that its host has granted. */
  identity?: string;
  /** Calls say of which trace they are part; to be set where the transport does not say so itself, as `fetch` does. */
  tellsTrace?: boolean;
  /** Who is named as the writer, in `metadata.managedFields`, where a write does not say. @default what the transport calls itself */
  fieldManager?: string;
  /** Told what the server warns of, such as deprecations and unknown fields. @default nobody is */
  onWarning?: (warning: string) => void;
}
