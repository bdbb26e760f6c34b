/** Makes a resource's Kind from what is its own; the rest is as for every resource. */
import type { JsonObject } from "../json.ts";
import { dnsLabelProblems, dnsSubdomainProblems, maskTrailingDash } from "../names.ts";
import { ageOf } from "../time.ts";
import type { FieldError } from "./field_error.ts";
import type { ApiObject, Cell, Column, Kind, ScaleRules } from "./kind.ts";
import { keepServerMetadata, validateMetadata, validateMetadataUpdate } from "./metadata.ts";
import { equalSemantically, normalObject } from "./semantics.ts";

export interface KindDefinition<T extends ApiObject> {
  /** `pods`, `deployments.apps`. */
  resource: string;
  /** The key of its type in the facts: `apps/v1.Deployment`. Without it, what is empty and what is absent differ. */
  type?: string;
  namespaced: boolean;
  /** @default dnsSubdomain */
  nameProblems?: (name: string, prefix: boolean) => string[];
  /** Whether it has a status that only `/status` writes. @default false */
  hasStatus?: boolean;
  /** Whether who creates it may give it a status: nodes register with theirs. @default false */
  keepsStatusOnCreate?: boolean;
  /** Whether metadata.generation counts changes of the spec. @default false */
  bumpsGeneration?: boolean;
  /** What a change of raises the generation. @default the spec */
  generationOf?: (object: T) => unknown;
  allowsCreateOnUpdate?: boolean;
  allowsUnconditionalUpdate?: boolean;
  defaults?: (object: T) => void;
  prepareForCreate?: (object: T) => void;
  /** After the general part has put back what this write may not touch. */
  prepareForUpdate?: (next: T, old: T, subresource: string) => void;
  /** Everything but metadata. */
  validate?: (object: T, old: T | undefined) => FieldError[];
  /** What may not change; added to `validate` of the object as a whole. */
  validateChange?: (next: T, old: T) => FieldError[];
  validateStatus?: (next: T, old: T) => FieldError[];
  /** @default name and age */
  columns?: readonly Column[];
  /** Every cell, the name's and the age's included. @default name and age */
  row?: (object: T, now: number) => Cell[];
  /** Beyond metadata.name and metadata.namespace. */
  selectableFields?: (object: T) => Record<string, string>;
  resetFields?: Record<string, JsonObject>;
  scale?: ScaleRules<T>;
  convert?: (object: JsonObject, from: string, to: string) => JsonObject;
}

export const NAME_COLUMN: Column = {
  name: "Name",
  type: "string",
  format: "name",
  description: "The object's name, unique in its namespace.",
  priority: 0,
};

export const AGE_COLUMN: Column = column("Age", "How long ago the object was created.");

export function column(
  name: string,
  description: string,
  options: { type?: Column["type"]; wide?: boolean } = {},
): Column {
  return { name, type: options.type ?? "string", format: "", description, priority: options.wide ? 1 : 0 };
}

export const dnsSubdomain = (name: string, prefix: boolean): string[] =>
  dnsSubdomainProblems(prefix ? maskTrailingDash(name) : name);
export const dnsLabel = (name: string, prefix: boolean): string[] =>
  dnsLabelProblems(prefix ? maskTrailingDash(name) : name);

export function defineKind<T extends ApiObject>(definition: KindDefinition<T>): Kind<T> {
  const { hasStatus = false, bumpsGeneration = false, namespaced } = definition;
  const nameProblems = definition.nameProblems ?? dnsSubdomain;
  const rules = { namespaced, nameProblems };
  return {
    resource: definition.resource,
    defaults: (object) => definition.defaults?.(object),
    prepareForCreate(object) {
      if (hasStatus && !definition.keepsStatusOnCreate) (object as Statused).status = {};
      if (bumpsGeneration) object.metadata.generation = 1;
      else delete object.metadata.generation;
      definition.prepareForCreate?.(object);
    },
    prepareForUpdate(next, old, subresource) {
      keepServerMetadata(next, old);
      if (subresource === "status") keepAllButStatus(next, old);
      else if (hasStatus) keepStatus(next, old);
      definition.prepareForUpdate?.(next, old, subresource);
      if (bumpsGeneration && subresource !== "status" && hasMoved(next, old, definition)) {
        next.metadata.generation = (old.metadata.generation ?? 0) + 1;
      }
    },
    validate: (object) => [...validateMetadata(object, rules), ...definition.validate?.(object, undefined) ?? []],
    validateUpdate(next, old, subresource) {
      // The name was judged when the object was made; names that were allowed once stay allowed.
      const errors = [
        ...validateMetadata(next, { namespaced, nameProblems: () => [] }),
        ...validateMetadataUpdate(next, old),
      ];
      if (subresource === "status") errors.push(...definition.validateStatus?.(next, old) ?? []);
      else errors.push(...definition.validate?.(next, old) ?? [], ...definition.validateChange?.(next, old) ?? []);
      return withoutRepeats(errors);
    },
    columns: definition.columns ?? [NAME_COLUMN, AGE_COLUMN],
    row: definition.row ?? ((object, now) => [object.metadata.name, ageOf(object.metadata.creationTimestamp, now)]),
    selectableFields: (object) => ({
      "metadata.name": object.metadata.name ?? "",
      ...(namespaced && { "metadata.namespace": object.metadata.namespace ?? "" }),
      ...definition.selectableFields?.(object),
    }),
    bumpsGeneration,
    nameProblems,
    allowsCreateOnUpdate: definition.allowsCreateOnUpdate ?? false,
    allowsUnconditionalUpdate: definition.allowsUnconditionalUpdate ?? true,
    resetFields: definition.resetFields ??
      (hasStatus ? { "": { "f:status": {} }, status: { "f:spec": {} } } : {}),
    ...(definition.scale && { scale: definition.scale }),
    ...(definition.convert && { convert: definition.convert }),
  };
}

type Statused = { status?: unknown };

function keepStatus(next: ApiObject, old: ApiObject): void {
  const { status } = old as Statused;
  if (status === undefined) delete (next as Statused).status;
  else (next as Statused).status = status;
}

/** A status write may touch metadata too, but no other part. */
function keepAllButStatus(next: ApiObject, old: ApiObject): void {
  const to = next as unknown as Record<string, unknown>;
  const from = old as unknown as Record<string, unknown>;
  for (const name of new Set([...Object.keys(to), ...Object.keys(from)])) {
    if (["status", "metadata", "apiVersion", "kind"].includes(name)) continue;
    if (from[name] === undefined) delete to[name];
    else to[name] = from[name];
  }
}

function hasMoved<T extends ApiObject>(next: T, old: T, definition: KindDefinition<T>): boolean {
  const counted = (object: T) => {
    const normal = normalObject(object, definition.type);
    return definition.generationOf === undefined
      ? (normal as { spec?: unknown }).spec
      : definition.generationOf(normal);
  };
  return !equalSemantically(counted(next), counted(old));
}

function withoutRepeats(errors: FieldError[]): FieldError[] {
  const seen = new Set<string>();
  return errors.filter(({ type, field, body }) => {
    const key = `${type} ${field} ${body}`;
    return !seen.has(key) && seen.add(key);
  });
}
