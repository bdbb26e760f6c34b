/** Changes to an object, in the four languages in which they can be written. */
import {
  type ApiObject,
  ApplyConflict,
  applyPatch,
  ApplyRefused,
  DecodeError,
  decodeJson,
  decodeValue,
  decodeYaml,
  isJsonObject,
  type Json,
  type JsonObject,
  jsonPatch,
  mergePatch,
  parseJson,
  PatchError,
  strategicMergePatch,
} from "@k3ts/model";
import type { ServedResource } from "../resources.ts";
import { badRequest, invalid, StatusError } from "../status.ts";
import { authorize } from "./authorize.ts";
import type { Verbs } from "./context.ts";
import { createObject } from "./create.ts";
import { refuseManager } from "./managers.ts";
import { refuseOtherObject, refuseStale } from "./metadata.ts";
import { objectReply, type PatchRequest, type Reply } from "./request.ts";
import { revise } from "./revise.ts";
import { patchScale } from "./scale.ts";
import { refuseLaboriousYaml } from "./yaml_effort.ts";

/** Changes what is there; an apply may also make it. @throws {StatusError} */
export async function patch(request: PatchRequest, verbs: Verbs): Promise<Reply> {
  authorize(request, "patch", verbs);
  refuseManager(request.fieldManager, "PatchOptions");
  if (request.subresource === "scale") return await patchScale(request, verbs);
  return request.type === "apply" ? await apply(request, verbs) : await change(request, verbs);
}

async function change(request: PatchRequest, verbs: Verbs): Promise<Reply> {
  const { resource } = request;
  const changes = readPatch(request);
  const warnings = new Set<string>();
  const stored = await revise(request, {
    next(old) {
      const patched = applyChanges(request, old as unknown as Json, changes);
      const { object, problems } = decodePatched(resource, patched, request);
      for (const problem of problems) warnings.add(problem);
      refuseOtherObject(object, request);
      refuseStale(object.metadata, old.metadata, resource);
      return object;
    },
    // A patch that names a resourceVersion is refused by refuseStale; the others fit any state.
    retries: true,
    rules: request.subresource,
  }, verbs);
  return objectReply(resource, stored, [...warnings]);
}

async function apply(request: PatchRequest, verbs: Verbs): Promise<Reply> {
  const { resource, namespace, name, subresource } = request;
  if (request.fieldManager === "") {
    throw badRequest(
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    );
  }
  const { object, problems } = readApplied(request);
  refuseOtherObject(object, request);
  if (subresource === "" && verbs.registry.newest(resource, namespace, name) === undefined) {
    authorize(request, "create", verbs);
    const created = applyTo(request, object, undefined, verbs);
    return objectReply(resource, await createObject(request, created, verbs, "already"), problems, 201);
  }
  const stored = await revise(request, {
    next(old) {
      if (object.metadata.resourceVersion) refuseStale(object.metadata, old.metadata, resource);
      return applyTo(request, object, old, verbs);
    },
    retries: true,
    rules: request.subresource,
    managed: true,
  }, verbs);
  return objectReply(resource, stored, problems);
}

function applyTo(request: PatchRequest, applied: ApiObject, live: ApiObject | undefined, verbs: Verbs): ApiObject {
  const { resource, subresource, fieldManager, force } = request;
  const { strategy } = resource;
  const resetFields = strategy.resetFields?.[subresource];
  try {
    return applyPatch({
      live: live as JsonObject | undefined,
      applied: applied as unknown as JsonObject,
      type: resource.type,
      manager: fieldManager,
      subresource,
      force,
      now: verbs.clock.wall(),
      ...(resetFields !== undefined && { resetFields }),
      setDefaults: (object) => strategy.defaults(object as unknown as ApiObject),
    }) as unknown as ApiObject;
  } catch (cause) {
    if (cause instanceof ApplyConflict) {
      throw new StatusError(409, "Conflict", cause.message, { causes: cause.causes() }, { cause });
    }
    if (cause instanceof ApplyRefused) throw badRequest(cause.message, { cause });
    throw cause;
  }
}

/** What is applied stays as it was written: nulls, zeros and all, since leaving something out says something. */
function readApplied({ body, resource, fieldValidation }: PatchRequest): { object: ApiObject; problems: string[] } {
  // Most clients send JSON, which is YAML too but read much faster as what it is.
  const isJson = body.bytes[0] === "{".charCodeAt(0);
  const read = isJson ? decodeJson<ApiObject> : decodeYaml<ApiObject>;
  try {
    if (!isJson) refuseLaboriousYaml(body.bytes);
    const { object, problems } = read(body.bytes, resource.type, { fieldValidation, normalize: false });
    if (object.kind !== resource.kind || object.apiVersion !== resource.apiVersion) {
      throw badRequest(
        `the applied configuration must be a ${resource.apiVersion} ${resource.kind}: ` +
          `it is ${object.apiVersion} ${object.kind}`,
      );
    }
    object.metadata ??= { name: "" };
    return { object, problems };
  } catch (cause) {
    if (cause instanceof DecodeError) {
      throw badRequest(`error decoding the applied configuration: ${cause.message}`, { cause });
    }
    throw cause;
  }
}

/** @throws {StatusError} 400 when it is no patch */
export function readPatch({ body }: PatchRequest): Json {
  try {
    return parseJson(new TextDecoder().decode(body.bytes)) as Json;
  } catch (cause) {
    throw badRequest(`error decoding patch: ${(cause as Error).message}`, { cause });
  }
}

/** @throws {StatusError} 400 or 422 when the patch does not fit */
export function applyChanges({ type, resource, name }: PatchRequest, document: Json, changes: Json): Json {
  try {
    if (type === "json") return jsonPatch(document, changes);
    if (!isJsonObject(changes)) throw new PatchError("malformed", "the patch must be an object");
    if (type === "merge") return mergePatch(document, changes);
    return strategicMergePatch(document as JsonObject, changes, resource.type);
  } catch (cause) {
    // The stack has ended: no object of any kind is that deep.
    if (cause instanceof RangeError) throw badRequest("error decoding patch: json: exceeded max depth", { cause });
    if (!(cause instanceof PatchError)) throw cause;
    if (cause.reason === "malformed") throw badRequest(cause.message, { cause });
    throw new StatusError(
      422,
      "Invalid",
      `the server rejected our request due to an error in our request: ${cause.message}`,
      {
        name,
        kind: resource.kind,
        causes: [{ message: cause.message }],
      },
      { cause },
    );
  }
}

function decodePatched(
  resource: ServedResource,
  patched: Json,
  { name, fieldValidation }: PatchRequest,
): { object: ApiObject; problems: string[] } {
  try {
    const { object, problems } = decodeValue<ApiObject>(patched, resource.type, { fieldValidation });
    object.metadata ??= { name: "" };
    return { object, problems };
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause;
    const strict = cause.message.startsWith("strict decoding error");
    if (!strict) {
      throw badRequest(`${resource.kind} ${JSON.stringify(name)} cannot be patched: ${cause.message}`, { cause });
    }
    throw invalid(resource, name, [{
      type: "FieldValueInvalid",
      field: "patch",
      body: `Invalid value: ${cause.message}`,
    }]);
  }
}
