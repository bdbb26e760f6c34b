import { type ApiObject, typeFacts } from "@k3ts/model";
import type { Verbs } from "./context.ts";
import { decodeAs } from "./decode.ts";
import { deleteObject } from "./delete.ts";
import { refuseOtherObject } from "./metadata.ts";
import { type CreateRequest, type DeleteOptions, type Reply, valueReply } from "./request.ts";

const EVICTION = { kind: "Eviction", apiVersion: "policy/v1" };
const EVICTION_TYPE = typeFacts("policy", "v1", "Eviction")!;

/** Deletes a pod by way of its disruption budgets, of which there are none while they are not served. */
export async function evict(request: CreateRequest, verbs: Verbs): Promise<Reply> {
  const { object } = decodeAs<ApiObject & { deleteOptions?: DeleteOptions }>(
    request.body,
    EVICTION_TYPE,
    EVICTION,
    request.fieldValidation,
  );
  object.metadata ??= { name: "" };
  refuseOtherObject(object, request);
  const options = { ...object.deleteOptions, ...(request.dryRun && { dryRun: ["All"] }) };
  await deleteObject({ ...request, subresource: "", options }, verbs);
  const success = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 };
  return valueReply(success, 201);
}
