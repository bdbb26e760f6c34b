/** What both faces ask of the verbs, and what they answer. */
import type { FieldValidation } from "@k3ts/model";
import type { User } from "../auth/user.ts";
import type { ListPage } from "../cache/resource_cache.ts";
import type { StoredObject } from "../registry/stored_object.ts";
import type { ServedResource } from "../resources.ts";

/** Who asks, and about what. */
export interface Request {
  user: User;
  resource: ServedResource;
  /** Empty: all namespaces, or none. */
  namespace: string;
  /** Empty for the collection. */
  name: string;
  /** Empty for the object itself. */
  subresource: string;
  signal: AbortSignal;
}

export interface GetRequest extends Request {
  /** Not older than this. */
  resourceVersion: string;
}

export interface Selection {
  labelSelector: string;
  fieldSelector: string;
}

export interface ListRequest extends Request, Selection {
  /** 0: everything. */
  limit: number;
  /** Of the objects' JSON: a page that has a limit may have fewer objects. @default as many as it takes */
  pageBytesMax?: number;
  continue: string;
  resourceVersion: string;
  resourceVersionMatch: string;
}

export interface WatchRequest extends Request, Selection {
  resourceVersion: string;
  resourceVersionMatch: string;
  allowBookmarks: boolean;
  /** Absent: as the resource version says. */
  sendInitialEvents?: boolean;
}

/** A body as it came. */
export interface Body {
  bytes: Uint8Array;
  encoding: "json" | "yaml" | "protobuf";
}

/** What every write takes. */
export interface WriteRequest extends Request {
  dryRun: boolean;
  /** Empty: what the caller calls itself. */
  fieldManager: string;
  fieldValidation: FieldValidation;
}

export interface CreateRequest extends WriteRequest {
  body: Body;
}

export type UpdateRequest = CreateRequest;

export type PatchType = "json" | "merge" | "strategic" | "apply";

export interface PatchRequest extends CreateRequest {
  type: PatchType;
  /** Apply: take over what others manage. */
  force: boolean;
}

/** meta/v1 DeleteOptions. */
export interface DeleteOptions {
  gracePeriodSeconds?: number;
  propagationPolicy?: "Orphan" | "Background" | "Foreground";
  /** Of old; `true` is Orphan, `false` is Background. */
  orphanDependents?: boolean;
  preconditions?: { uid?: string; resourceVersion?: string };
  dryRun?: string[];
}

export interface DeleteRequest extends Request {
  options: DeleteOptions;
}

export interface DeleteCollectionRequest extends DeleteRequest, Selection {}

/** A request that is answered by a stream to and from a pod. */
export interface ConnectRequest extends Request {
  /** By the method that the client used: `get`, `create`, and for proxies others too. */
  verb: string;
  query: URLSearchParams;
  /** What follows `proxy` in the path, as it was written: `/healthz`. */
  proxyPath?: string;
}

/** Plain data that is not stored: a Status, a Scale, a review. */
export interface ApiValue {
  apiVersion: string;
  kind: string;
}

export type Reply =
  | { type: "object"; code: 200 | 201; resource: ServedResource; object: StoredObject; warnings: readonly string[] }
  | { type: "value"; code: number; value: ApiValue; warnings: readonly string[] }
  | { type: "list"; resource: ServedResource; page: ListPage };

/** The gateway is to join the client's stream with the agent of a node. */
export interface Splice {
  node: string;
  path: string;
}

const NO_WARNINGS: readonly string[] = [];

export function objectReply(
  resource: ServedResource,
  object: StoredObject,
  warnings: readonly string[] = NO_WARNINGS,
  code: 200 | 201 = 200,
): Reply {
  return { type: "object", code, resource, object, warnings };
}

export function valueReply(value: ApiValue, code = 200, warnings: readonly string[] = NO_WARNINGS): Reply {
  return { type: "value", code, value, warnings };
}
