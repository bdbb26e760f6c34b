/** What the machinery writes into an object's metadata, whatever its kind. */
import { type ApiObject, equalJson, formatTime, generateName, type ObjectMetadata } from "@k3ts/model";
import type { ServedResource } from "../resources.ts";
import { badRequest, conflict, invalid, modifiedMeanwhile } from "../status.ts";
import type { Request } from "./request.ts";

/** What only the server gives; in the order in which Kubernetes shows it. */
export function newMetadata(metadata: ObjectMetadata, now: number): ObjectMetadata {
  const {
    name,
    generateName,
    namespace,
    labels,
    annotations,
    ownerReferences,
    finalizers,
    managedFields,
    generation,
  } = metadata;
  return {
    name,
    ...(generateName && { generateName }),
    ...(namespace && { namespace }),
    uid: crypto.randomUUID(),
    // Room for what the registry gives.
    resourceVersion: "",
    ...(generation !== undefined && { generation }),
    creationTimestamp: formatTime(now),
    ...(labels && { labels }),
    ...(annotations && { annotations }),
    ...(ownerReferences && { ownerReferences }),
    ...(finalizers && { finalizers }),
    ...(managedFields && { managedFields }),
  };
}

/** Metadata of an update: what only the server gives is as it was. */
export function keepMetadata(next: ObjectMetadata, old: ObjectMetadata): ObjectMetadata {
  const { labels, annotations, ownerReferences, finalizers, managedFields } = next;
  const {
    name,
    generateName,
    namespace,
    uid,
    resourceVersion,
    generation,
    creationTimestamp,
    deletionTimestamp,
    deletionGracePeriodSeconds,
  } = old;
  return {
    name,
    ...(generateName !== undefined && { generateName }),
    ...(namespace !== undefined && { namespace }),
    ...(uid !== undefined && { uid }),
    ...(resourceVersion !== undefined && { resourceVersion }),
    ...(generation !== undefined && { generation }),
    ...(creationTimestamp !== undefined && { creationTimestamp }),
    ...(deletionTimestamp !== undefined && { deletionTimestamp }),
    ...(deletionGracePeriodSeconds !== undefined && { deletionGracePeriodSeconds }),
    ...(labels && { labels }),
    ...(annotations && { annotations }),
    ...(ownerReferences && { ownerReferences }),
    ...(finalizers && { finalizers }),
    ...(managedFields && { managedFields }),
  };
}

/** Puts an object in the order in which Kubernetes shows it: kind, apiVersion, metadata, and the rest. */
export function inOrder<T extends ApiObject>(resource: ServedResource, object: T): T {
  const { kind: _kind, apiVersion: _apiVersion, metadata, ...rest } = object;
  return { kind: resource.kind, apiVersion: resource.apiVersion, metadata, ...rest } as unknown as T;
}

/** Names an object that is about to be created, and puts it into the namespace of the request. */
export function giveName(object: ApiObject, request: Request, random: () => number): void {
  const { metadata } = object;
  if (metadata.name === undefined || metadata.name === "") {
    metadata.name = metadata.generateName ? generateName(metadata.generateName, random) : "";
  }
  if (request.name !== "" && metadata.name !== request.name) throw otherName(metadata.name, request.name);
  giveNamespace(object, request);
  if (metadata.name === "") {
    throw invalid(request.resource, "", [{
      type: "FieldValueRequired",
      field: "metadata.name",
      body: "Required value: name or generateName is required",
    }]);
  }
}

/** @throws {StatusError} 400 when the object names another namespace than the request */
function giveNamespace({ metadata }: ApiObject, { namespace, resource }: Request): void {
  if (!resource.namespaced) {
    delete metadata.namespace;
    return;
  }
  if (metadata.namespace !== undefined && metadata.namespace !== "" && metadata.namespace !== namespace) {
    throw badRequest(
      `the namespace of the provided object does not match the namespace sent on the request`,
    );
  }
  metadata.namespace = namespace;
}

/** @throws {StatusError} when the body of an update is about another object than its address */
export function refuseOtherObject(object: ApiObject, request: Request): void {
  const { name } = object.metadata;
  if (name === undefined || name === "") object.metadata.name = request.name;
  else if (name !== request.name) throw otherName(name, request.name);
  giveNamespace(object, request);
}

/** @throws {StatusError} 409 when an update is meant for another object, or for another state of it */
export function refuseStale(next: ObjectMetadata, old: ObjectMetadata, resource: ServedResource): void {
  if (next.uid !== undefined && next.uid !== "" && next.uid !== old.uid) {
    throw preconditionFailed(resource, old.name, "UID", next.uid, old.uid ?? "");
  }
  if (next.resourceVersion === undefined || next.resourceVersion === "") {
    if (resource.strategy.allowsUnconditionalUpdate ?? true) return;
    throw invalid(resource, old.name, [{
      type: "FieldValueInvalid",
      field: "metadata.resourceVersion",
      body: "Invalid value: 0: must be specified for an update",
    }]);
  }
  if (next.resourceVersion === old.resourceVersion) return;
  throw modifiedMeanwhile(resource, old.name);
}

export function preconditionFailed(
  resource: ServedResource,
  name: string,
  what: "UID" | "ResourceVersion",
  wanted: string,
  found: string,
) {
  return conflict(
    resource,
    name,
    `Precondition failed: ${what} in precondition: ${wanted}, ${what} in object meta: ${found}`,
  );
}

/** Whether a write would change nothing but what every write changes. */
export function sameObject(next: ApiObject, old: ApiObject): boolean {
  return equalJson(next, old);
}

/** Whether an object that is being deleted has nothing left that holds it. */
export function mayVanish({ metadata, ...rest }: ApiObject): boolean {
  if (metadata.deletionTimestamp === undefined) return false;
  if ((metadata.deletionGracePeriodSeconds ?? 0) > 0) return false;
  const { spec } = rest as { spec?: { finalizers?: unknown } };
  // Namespaces have finalizers of their own in the spec.
  const held = Array.isArray(spec?.finalizers) ? spec.finalizers.length : 0;
  return (metadata.finalizers ?? []).length === 0 && held === 0;
}

function otherName(found: string, wanted: string) {
  return badRequest(`the name of the object (${found}) does not match the name on the URL (${wanted})`);
}
