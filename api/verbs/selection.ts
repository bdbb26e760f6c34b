/** From the selectors of a request to what they select. */
import {
  type ApiObject,
  decodeValue,
  type FieldRequirement,
  matches,
  matchesFields,
  parseFieldSelector,
  parseLabelSelector,
  SelectorError,
} from "@k3ts/model";
import type { ObjectFilter } from "../cache/change.ts";
import type { Scope } from "../cache/resource_cache.ts";
import { badRequest } from "../status.ts";
import type { ServedResource } from "../resources.ts";
import type { Request, Selection } from "./request.ts";

const BY_NAME = "metadata.name";

/** @throws {StatusError} 400 when a selector cannot be read, or asks for a field that the resource does not offer */
export function scopeOf(request: Request & Selection): Scope {
  const labels = read(() => parseLabelSelector(request.labelSelector), "unable to parse requirement");
  const all = fieldsSelected(request.fieldSelector);
  refuseUnknownFields(all, request);
  const byName = all.find(({ field, equal }) => field === BY_NAME && equal);
  const name = request.name !== "" ? request.name : byName?.value;
  const fields = all.filter((requirement) => requirement !== byName);
  const filter: ObjectFilter = (object) => matches(labels, object.labels) && matchesFields(fields, object.fields);
  return {
    ...(request.namespace !== ""
      ? { namespace: request.namespace }
      : !request.resource.namespaced && { namespace: "" }),
    ...(name !== undefined && { name }),
    ...((labels.length > 0 || fields.length > 0) && { filter }),
  };
}

/** @throws {StatusError} 400 when it cannot be read */
export function fieldsSelected(fieldSelector: string): FieldRequirement[] {
  return read(() => parseFieldSelector(fieldSelector), "field selector");
}

/** The one name that a field selector asks for; empty where it asks for none. */
export function nameSelected(requirements: readonly FieldRequirement[]): string {
  return requirements.find(({ field, equal }) => field === BY_NAME && equal)?.value ?? "";
}

/** What can be asked of each resource, found out from an object with nothing in it. */
const offered = new WeakMap<ServedResource, ReadonlySet<string>>();

function fieldsOffered(resource: ServedResource): ReadonlySet<string> {
  let fields = offered.get(resource);
  if (fields === undefined) {
    const { object } = decodeValue<ApiObject>({ metadata: { name: "" }, spec: {}, status: {} }, resource.type);
    fields = new Set(Object.keys(resource.fieldsOf(object)));
    offered.set(resource, fields);
  }
  return fields;
}

/** A selector may be wrong though there is no object that would tell. */
function refuseUnknownFields(requirements: readonly FieldRequirement[], { resource }: Request): void {
  const unknown = requirements.find(({ field }) => !fieldsOffered(resource).has(field));
  if (unknown === undefined) return;
  throw badRequest(`field label not supported: ${unknown.field}`);
}

function read<T>(parse: () => T, what: string): T {
  try {
    return parse();
  } catch (cause) {
    if (cause instanceof SelectorError) throw badRequest(`${what}: ${cause.message}`, { cause });
    throw cause;
  }
}
