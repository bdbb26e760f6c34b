/** From the selectors of a request to what they select. */
import {
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
import type { Request, Selection } from "./request.ts";

const BY_NAME = "metadata.name";

/** @throws {StatusError} 400 when a selector cannot be read, or asks for a field that the resource does not offer */
export function scopeOf(request: Request & Selection): Scope {
  const labels = read(() => parseLabelSelector(request.labelSelector), "unable to parse requirement");
  const all = read(() => parseFieldSelector(request.fieldSelector), "field selector");
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

/** The one name that a field selector asks for, if it does: RBAC's resourceNames apply to it. */
export function selectedName({ fieldSelector }: Selection): string {
  if (!fieldSelector.includes(BY_NAME)) return "";
  const requirements = read(() => parseFieldSelector(fieldSelector), "field selector");
  return requirements.find(({ field, equal }) => field === BY_NAME && equal)?.value ?? "";
}

/** A selector may be wrong though there is no object that would tell. */
function refuseUnknownFields(requirements: readonly FieldRequirement[], { resource }: Request): void {
  if (requirements.length === 0) return;
  const offered = resource.fieldsOf({ metadata: { name: "" } });
  for (const { field } of requirements) {
    if (field in offered) continue;
    throw badRequest(
      `Unable to find "${resource.apiVersion}, Resource=${resource.resource}" that match label selector ` +
        `"", field selector "${
          requirements.map((one) => `${one.field}${one.equal ? "=" : "!="}${one.value}`).join(",")
        }": ` +
        `field label not supported: ${field}`,
    );
  }
}

function read<T>(parse: () => T, what: string): T {
  try {
    return parse();
  } catch (cause) {
    if (cause instanceof SelectorError) throw badRequest(`${what}: ${cause.message}`, { cause });
    throw cause;
  }
}
