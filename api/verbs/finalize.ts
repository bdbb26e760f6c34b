import { type ApiObject, cloneJson } from "@k3ts/model";
import type { Verbs } from "./context.ts";
import { decodeObject } from "./decode.ts";
import { refuseOtherObject, refuseStale } from "./metadata.ts";
import { objectReply, type Reply, type UpdateRequest } from "./request.ts";
import { revise } from "./revise.ts";

interface NamespaceData extends ApiObject {
  spec?: { finalizers?: string[] };
}

/** A namespace's own finalizers, which only this write changes; without any, and being deleted, it is gone. */
export async function finalize(request: UpdateRequest, verbs: Verbs): Promise<Reply> {
  const { resource } = request;
  const { object, problems } = decodeObject(resource, request.body, request.fieldValidation);
  refuseOtherObject(object, request);
  const { spec } = object as NamespaceData;
  const stored = await revise(request, {
    next(old) {
      refuseStale(object.metadata, old.metadata, resource);
      return { ...cloneJson(old), spec: { ...spec } } as ApiObject;
    },
    retries: !object.metadata.resourceVersion,
  }, verbs);
  return objectReply(resource, stored, problems);
}
