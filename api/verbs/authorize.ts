import { methodNotSupported } from "../status.ts";
import type { Verbs } from "./context.ts";
import type { Request, Selection } from "./request.ts";
import { fieldsSelected, nameSelected } from "./selection.ts";

/**
 * Whether the caller may, and whether anybody could.
 * @throws {StatusError} 403, or 405 where the resource has no such verb
 */
export function authorize(request: Request & Partial<Selection>, verb: string, { access }: Verbs): void {
  const { user, resource, namespace, subresource, fieldSelector = "" } = request;
  const fields = fieldSelector === "" ? undefined : fieldsSelected(fieldSelector);
  access.require(user, {
    verb,
    group: resource.group,
    resource: resource.resource,
    subresource,
    // A namespace is in itself, so that who may read all that is in it may read it.
    namespace: isNamespace(resource) ? request.name : namespace,
    // Who reads what has one name asks for that object only.
    name: request.name || (fields === undefined || verb === "deletecollection" ? "" : nameSelected(fields)),
    ...(fields !== undefined && { fieldSelector: fields }),
  });
  const served: readonly string[] = subresource === ""
    ? resource.verbs
    : resource.subresources.find((one) => one.name === subresource)?.verbs ?? [];
  // What a proxy leads on need not have a verb.
  if (verb !== "" && !served.includes(verb)) throw methodNotSupported(resource, verb);
}

function isNamespace({ group, resource }: Request["resource"]): boolean {
  return group === "" && resource === "namespaces";
}
