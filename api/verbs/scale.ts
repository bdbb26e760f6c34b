/** `/scale`: the number of replicas of anything that has some, as one kind (autoscaling/v1 Scale). */
import { type ApiObject, cloneJson, decodeValue, type Json, type ScaleRules, typeFacts } from "@k3ts/model";
import { parseObject, type StoredObject } from "../registry/stored_object.ts";
import type { ServedResource } from "../resources.ts";
import { internalError, invalid } from "../status.ts";
import type { Verbs } from "./context.ts";
import { decodeAs } from "./decode.ts";
import { refuseOtherObject, refuseStale } from "./metadata.ts";
import { applyChanges, readPatch } from "./patch.ts";
import { type PatchRequest, type Reply, type UpdateRequest, valueReply, type WriteRequest } from "./request.ts";
import { revise } from "./revise.ts";

const SCALE = { kind: "Scale", apiVersion: "autoscaling/v1" };
const SCALE_TYPE = typeFacts("autoscaling", "v1", "Scale")!;

interface Scale extends ApiObject {
  kind: string;
  apiVersion: string;
  spec: { replicas?: number };
  status: { replicas: number; selector?: string };
}

export function getScale(resource: ServedResource, object: StoredObject): Reply {
  return valueReply(scaleOf(resource, parseObject<ApiObject>(object)));
}

export async function updateScale(request: UpdateRequest, verbs: Verbs): Promise<Reply> {
  const { object, problems } = decodeAs<Scale>(request.body, SCALE_TYPE, SCALE, request.fieldValidation);
  object.metadata ??= { name: "" };
  refuseOtherObject(object, request);
  const retries = !object.metadata.resourceVersion;
  return valueReply(await rescale(request, () => object, retries, verbs), 200, problems);
}

export async function patchScale(request: PatchRequest, verbs: Verbs): Promise<Reply> {
  const changes = readPatch(request);
  const patchOne = (scale: Scale) => {
    const resource = { ...request.resource, type: SCALE_TYPE };
    const patched = applyChanges({ ...request, resource }, scale as unknown as Json, changes);
    return decodeValue<Scale>(patched, SCALE_TYPE).object;
  };
  return valueReply(await rescale(request, patchOne, true, verbs));
}

async function rescale(
  request: WriteRequest,
  next: (scale: Scale) => Scale,
  retries: boolean,
  verbs: Verbs,
): Promise<Scale> {
  const { resource } = request;
  const rules = rulesOf(resource);
  const stored = await revise(request, {
    next(old) {
      const scale = next(scaleOf(resource, old));
      refuseStale(scale.metadata, old.metadata, resource);
      const replicas = scale.spec?.replicas ?? 0;
      if (replicas < 0) throw negative(request.name, replicas);
      const object = cloneJson(old);
      rules.write(object, replicas);
      return object;
    },
    retries,
    rules: "",
  }, verbs);
  return scaleOf(resource, parseObject<ApiObject>(stored));
}

function scaleOf(resource: ServedResource, { metadata, ...rest }: ApiObject): Scale {
  const { replicas, statusReplicas, selector } = rulesOf(resource).read({ metadata, ...rest });
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata;
  return {
    ...SCALE,
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
      ...(creationTimestamp !== undefined && { creationTimestamp }),
    },
    spec: replicas === 0 ? {} : { replicas },
    status: { replicas: statusReplicas, ...(selector !== "" && { selector }) },
  };
}

function rulesOf(resource: ServedResource): ScaleRules<ApiObject> {
  if (resource.strategy.scale !== undefined) return resource.strategy.scale;
  throw internalError(`${resource.resource} has no scale`);
}

function negative(name: string, replicas: number) {
  return invalid({ group: "autoscaling", kind: "Scale" }, name, [{
    type: "FieldValueInvalid",
    field: "spec.replicas",
    body: `Invalid value: ${replicas}: must be greater than or equal to 0`,
  }]);
}
