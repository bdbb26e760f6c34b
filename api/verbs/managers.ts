/** Who wrote which field, as the model's `apply` records it. */
import { type ApiObject, type JsonObject, type ObjectMetadata, recordManager } from "@k3ts/model";
import type { Verbs } from "./context.ts";
import type { WriteRequest } from "./request.ts";

const MANAGER_LENGTH_MAX = 128;

/** `kubectl/v1.35 (linux/amd64)` is `kubectl`. */
export function managerOfUserAgent(userAgent: string): string {
  return userAgent.split("/", 1)[0]!.replaceAll(/[^\x20-\x7e]/g, "").slice(0, MANAGER_LENGTH_MAX);
}

/** Writes into `next` who manages its fields after this write. */
export function record(
  request: Pick<WriteRequest, "resource" | "subresource" | "fieldManager">,
  next: ApiObject,
  live: ApiObject | undefined,
  { clock }: Pick<Verbs, "clock">,
): void {
  const { resource, subresource, fieldManager } = request;
  const resetFields = resource.strategy.resetFields?.[subresource];
  const entries = recordManager({
    live: live as JsonObject | undefined,
    next: next as unknown as JsonObject,
    type: resource.type,
    manager: fieldManager,
    subresource,
    now: clock.now(),
    ...(resetFields !== undefined && { resetFields }),
  });
  if (entries === undefined) delete next.metadata.managedFields;
  else next.metadata.managedFields = entries as NonNullable<ObjectMetadata["managedFields"]>;
}
