/** Objects of manifests with where the server keeps them. */
import { isNotFound, type KubernetesObject, type ResourceClient } from "@k3ts/client";
import type { DiscoveredResource } from "@k3ts/proto";
import type { Connection } from "../connection.ts";
import { apiVersionOf, reference } from "../names.ts";
import { nearest } from "../nearest.ts";
import { Problem } from "../problem.ts";

export interface Located {
  resource: DiscoveredResource;
  object: KubernetesObject;
  client: ResourceClient<KubernetesObject>;
  /** Undefined for what is in no namespace. */
  namespace: string | undefined;
}

/** @throws when the server has no such kind */
export async function locate(
  objects: readonly KubernetesObject[],
  { clients }: Connection,
  namespace: string,
): Promise<Located[]> {
  const discovered = await clients.discover();
  return objects.map((object) => {
    const resource = discovered.find((row) => row.kind === object.kind && apiVersionOf(row) === object.apiVersion);
    if (resource === undefined) throw unknownKind(object, discovered);
    return {
      resource,
      object,
      client: clients.of<KubernetesObject>(reference(resource)),
      namespace: resource.namespaced ? object.metadata.namespace ?? namespace : undefined,
    };
  });
}

function unknownKind({ kind = "", apiVersion }: KubernetesObject, discovered: readonly DiscoveredResource[]): Problem {
  const elsewhere = discovered.filter((row) => row.kind === kind).map(apiVersionOf);
  const meant = nearest(kind, discovered.map((row) => row.kind));
  return new Problem(
    `The server has no kind ${kind} in ${apiVersion}${
      elsewhere.length > 0
        ? `, but in ${elsewhere.join(", ")}.`
        : meant !== undefined
        ? `: did you mean ${meant}?`
        : "."
    }`,
    "See what there is with: k3ts api-resources",
  );
}

export function ignoreMissing(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
  return undefined;
}

/** @param verb what cannot be done with it */
export function refuseWithout(subresource: string, { resource, subresources }: DiscoveredResource, verb: string): void {
  if (!subresources.includes(subresource)) {
    throw new Problem(`Cannot ${verb} ${resource}: they have no ${subresource}.`);
  }
}
