/** Who wrote which field, as the model's `apply` records it. */
import { type ApiObject, type JsonObject, type ObjectMetadata, recordManager } from "@k3ts/model";
import { invalid } from "../status.ts";
import type { Verbs } from "./context.ts";
import type { WriteRequest } from "./request.ts";

const MANAGER_LENGTH_MAX = 128;

/** `kubectl/v1.35 (linux/amd64)` is `kubectl`. */
export function managerOfUserAgent(userAgent: string): string {
  return userAgent.split("/", 1)[0]!.replaceAll(/[^\x20-\x7e]/g, "").slice(0, MANAGER_LENGTH_MAX);
}

/**
 * A manager's name is kept with every object that it writes.
 * @throws {StatusError} 422 when it is too long or cannot be printed
 */
export function refuseManager(name: string, options: string): void {
  const problems: { type: string; body: string }[] = [];
  if (name.length > MANAGER_LENGTH_MAX) {
    problems.push({ type: "FieldValueTooLong", body: `Too long: may not be more than ${MANAGER_LENGTH_MAX} bytes` });
  }
  if (/[^\P{C}]/u.test(name)) {
    problems.push({
      type: "FieldValueInvalid",
      body: `Invalid value: ${
        JSON.stringify(name.slice(0, MANAGER_LENGTH_MAX))
      }: should only contain printable characters`,
    });
  }
  if (problems.length === 0) return;
  const errors = problems.map((problem) => ({ ...problem, field: "fieldManager" }));
  throw invalid({ group: "meta.k8s.io", kind: options }, "", errors);
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
    now: clock.wall(),
    ...(resetFields !== undefined && { resetFields }),
  });
  if (entries === undefined) delete next.metadata.managedFields;
  else next.metadata.managedFields = entries as NonNullable<ObjectMetadata["managedFields"]>;
}
