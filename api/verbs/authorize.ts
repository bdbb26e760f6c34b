import type { Request } from "./request.ts";
import type { Verbs } from "./context.ts";

/** @throws {StatusError} 403 */
export function authorize(request: Request, verb: string, { access }: Verbs, name = request.name): void {
  const { user, resource, namespace, subresource } = request;
  access.require(user, { verb, group: resource.group, resource: resource.resource, subresource, namespace, name });
}
