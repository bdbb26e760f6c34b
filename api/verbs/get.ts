import { notFound } from "../status.ts";
import { authorize } from "./authorize.ts";
import type { Verbs } from "./context.ts";
import { parseRevision } from "./resource_version.ts";
import { type GetRequest, objectReply, type Reply } from "./request.ts";
import { getScale } from "./scale.ts";

/** One object, or its scale. */
export async function get(request: GetRequest, verbs: Verbs): Promise<Reply> {
  authorize(request, "get", verbs);
  const { resource, namespace, name, subresource, signal } = request;
  const wanted = parseRevision(request.resourceVersion);
  if (wanted !== undefined) await verbs.registry.cache.waitFor(wanted, signal);
  const object = verbs.registry.cache.get(resource, namespace, name);
  if (object === undefined) throw notFound(resource, name);
  return subresource === "scale" ? getScale(resource, object) : objectReply(resource, object);
}
