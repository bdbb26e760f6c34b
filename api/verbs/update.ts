import { cloneJson } from "@k3ts/model";
import { authorize } from "./authorize.ts";
import type { Verbs } from "./context.ts";
import { createObject } from "./create.ts";
import { decodeObject } from "./decode.ts";
import { finalize } from "./finalize.ts";
import { refuseManager } from "./managers.ts";
import { refuseOtherObject, refuseStale } from "./metadata.ts";
import { objectReply, type Reply, type UpdateRequest } from "./request.ts";
import { revise } from "./revise.ts";
import { updateScale } from "./scale.ts";

/** A whole object in the place of another. */
export async function update(request: UpdateRequest, verbs: Verbs): Promise<Reply> {
  authorize(request, "update", verbs);
  refuseManager(request.fieldManager, "UpdateOptions");
  const { resource, namespace, name, subresource } = request;
  if (subresource === "scale") return await updateScale(request, verbs);
  if (subresource === "finalize") return await finalize(request, verbs);
  const { object, problems } = decodeObject(resource, request.body, request.fieldValidation);
  refuseOtherObject(object, request);
  const { strategy } = resource;
  // Who names a state means one that exists.
  const mayCreate = subresource === "" && strategy.allowsCreateOnUpdate && !object.metadata.resourceVersion;
  if (mayCreate && verbs.registry.newest(resource, namespace, name) === undefined) {
    authorize(request, "create", verbs);
    return objectReply(resource, await createObject(request, object, verbs), problems, 201);
  }
  const stored = await revise(request, {
    next(old) {
      refuseStale(object.metadata, old.metadata, resource);
      return cloneJson(object);
    },
    retries: !object.metadata.resourceVersion,
    rules: request.subresource,
  }, verbs);
  return objectReply(resource, stored, problems);
}
