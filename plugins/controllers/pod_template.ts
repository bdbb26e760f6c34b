/** Pods made from the template of a workload (core/v1 PodTemplateSpec). */
import type { Draft, KubernetesObject, Pod, PodTemplateSpec, ResourceRef } from "@k3ts/model/objects";
import { controllerReference } from "../sdk/mod.ts";

/** Room for the five characters that the server adds. */
const NAME_PREFIX_LENGTH_MAX = 58;

/** A pod that the owner controls; the server completes its name. */
export function podOf(
  owner: KubernetesObject,
  resource: ResourceRef,
  template: PodTemplateSpec | undefined,
): Draft<Pod> {
  const { labels, annotations, finalizers } = template?.metadata ?? {};
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      generateName: `${owner.metadata.name.slice(0, NAME_PREFIX_LENGTH_MAX - 1)}-`,
      namespace: owner.metadata.namespace,
      labels,
      annotations,
      finalizers,
      ownerReferences: [controllerReference(owner, resource)],
    },
    spec: template?.spec ?? { containers: [] },
  };
}
