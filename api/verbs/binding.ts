import {
  type ApiObject,
  type Binding,
  BindingRefused,
  bindPod,
  cloneJson,
  type Pod,
  typeFacts,
  validateBinding,
} from "@k3ts/model";
import { conflict, invalid } from "../status.ts";
import type { Verbs } from "./context.ts";
import { decodeAs } from "./decode.ts";
import { preconditionFailed, refuseOtherObject } from "./metadata.ts";
import { type CreateRequest, type Reply, valueReply } from "./request.ts";
import { revise } from "./revise.ts";

const BINDING = { kind: "Binding", apiVersion: "v1" };
const BINDING_TYPE = typeFacts("", "v1", "Binding")!;

/** Gives a pod to a node: once, and for ever. */
export async function bind(request: CreateRequest, verbs: Verbs): Promise<Reply> {
  const { resource, name } = request;
  const { object } = decodeAs<ApiObject>(request.body, BINDING_TYPE, BINDING, request.fieldValidation);
  object.metadata ??= { name: "" };
  refuseOtherObject(object, request);
  const binding = object as unknown as Binding;
  const errors = validateBinding(binding);
  if (errors.length > 0) throw invalid({ group: "", kind: "Binding" }, name, errors);
  await revise(request, {
    next(old) {
      const { uid } = object.metadata;
      if (uid && uid !== old.metadata.uid) throw preconditionFailed(resource, name, "UID", uid, old.metadata.uid ?? "");
      try {
        return bindPod(cloneJson(old) as unknown as Pod, binding, verbs.clock.wall()) as unknown as ApiObject;
      } catch (cause) {
        throw cause instanceof BindingRefused ? conflict(resource, name, cause.message) : cause;
      }
    },
    // A refused binding is final, though it is called a conflict.
    retries: true,
  }, verbs);
  const success = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 };
  return valueReply(success, 201);
}
