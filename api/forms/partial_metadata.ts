import type { ApiObject, ObjectMetadata } from "@k3ts/model";

/** An object's metadata and nothing else (meta/v1 PartialObjectMetadata). */
export function partialMetadata(
  object: Pick<ApiObject, "metadata">,
): { kind: string; apiVersion: string; metadata: ObjectMetadata } {
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object.metadata };
}
