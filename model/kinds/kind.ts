/**
 * What a resource does that the generated facts cannot say: its defaults, its rules, its columns.
 *
 * One strategy object of this shape a resource; the API's verbs call it and know nothing else of the resource.
 * Everything here is pure. Functions that take `object` change it in place where they return nothing.
 */
import type { JsonObject } from "../json.ts";
import type { FieldError } from "./field_error.ts";

/** What every API object has. Generated types (`Pod`, `Service`, …) fit it. */
export interface ApiObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMetadata;
}

/** The part of ObjectMeta that machinery reads and writes whatever the kind. */
export interface ObjectMetadata {
  name: string;
  generateName?: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReferenceData[];
  managedFields?: ManagedFieldsEntryData[];
}

export interface OwnerReferenceData {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
  blockOwnerDeletion?: boolean;
}

export interface ManagedFieldsEntryData {
  manager?: string;
  operation?: string;
  apiVersion?: string;
  time?: string;
  fieldsType?: string;
  fieldsV1?: unknown;
  subresource?: string;
}

/** A column of a Table, as `meta.k8s.io/v1` TableColumnDefinition has it. */
export interface Column {
  name: string;
  type: "string" | "integer" | "boolean" | "date" | "number";
  format: "" | "name";
  description: string;
  /** 0 is always shown; above it only with `-o wide`. */
  priority: number;
}

/** A cell of a Table row. */
export type Cell = string | number | boolean | null;

/** Where `autoscaling/v1` Scale finds its numbers. */
export interface ScaleRules<T> {
  read(object: T): { replicas: number; statusReplicas: number; selector: string };
  write(object: T, replicas: number): void;
}

export interface Kind<T extends ApiObject = ApiObject> {
  /** As RBAC writes it: `pods`, `deployments.apps`. */
  readonly resource: string;
  /** Sets what the served version's defaulting sets. Idempotent; called after decoding and again after mutating admission. */
  defaults(object: T): void;
  /** Clears what a client may not set at creation (status), sets what the server sets (generation 1 where it counts, phase Pending). */
  prepareForCreate(object: T): void;
  /**
   * Restores from `old` what this write may not touch: status for the main resource, everything but status (and what a
   * status write may change of metadata) for `status`; raises `metadata.generation` when the spec moved.
   * `subresource` is "" for the object itself.
   */
  prepareForUpdate(next: T, old: T, subresource: string): void;
  /** Everything wrong with an object about to be created, its metadata included. */
  validate(object: T): FieldError[];
  /** Everything wrong with a write over `old`: the new object as a whole, and what may not change. `validate` need not be called too. */
  validateUpdate(next: T, old: T, subresource: string): FieldError[];
  /** Columns as kubectl shows them; the name comes first. */
  readonly columns: readonly Column[];
  /** One cell a column. @param now ms since the epoch, for ages */
  row(object: T, now: number): Cell[];
  /** What a field selector may ask for, with its value; `metadata.name` and `metadata.namespace` included. */
  selectableFields(object: T): Record<string, string>;
  /** Whether `metadata.generation` counts changes of the spec. */
  readonly bumpsGeneration: boolean;
  /** Names under `metadata.name` must be: a DNS subdomain (default), a DNS label, a path segment… Returns what is wrong. */
  nameProblems(name: string, prefix: boolean): string[];
  /** Whether an update may create the object (leases and endpoints may: `kubectl replace`-like PUT). @default false */
  readonly allowsCreateOnUpdate?: boolean;
  /** Whether an update without resourceVersion is taken. @default true */
  readonly allowsUnconditionalUpdate?: boolean;
  /** Fields that writes to the object (key "") or to a subresource never own, as fieldsV1 JSON. */
  readonly resetFields?: Readonly<Record<string, JsonObject>>;
  /** Present where the resource has `/scale`. */
  readonly scale?: ScaleRules<T>;
  /** Between the versions a resource is served in; absent where the versions look alike. */
  convert?(object: JsonObject, from: string, to: string): JsonObject;
}
