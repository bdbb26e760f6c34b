import { methodNotSupported } from "../status.ts";
import type { Verbs } from "./context.ts";
import type { Request } from "./request.ts";

/**
 * Whether the caller may, and whether anybody could.
 * @throws {StatusError} 403, or 405 where the resource has no such verb
 */
export function authorize(request: Request, verb: string, { access }: Verbs, name = request.name): void {
  const { user, resource, namespace, subresource } = request;
  access.require(user, { verb, group: resource.group, resource: resource.resource, subresource, namespace, name });
  const served: readonly string[] = subresource === ""
    ? resource.verbs
    : resource.subresources.find((one) => one.name === subresource)?.verbs ?? [];
  if (!served.includes(verb)) throw methodNotSupported(resource, verb);
}
