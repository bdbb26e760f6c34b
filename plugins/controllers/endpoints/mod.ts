/** Keeps the Endpoints of every Service with a selector, for clients that do not know EndpointSlices. */
import { type Endpoints, type Pod, resources, type Service } from "@k3ts/model/objects";
import { type Controller, controller, controllerReference, create, REST, update } from "../../sdk/mod.ts";
import { picks } from "../service_pods.ts";
import { isUpToDate, OVER_CAPACITY, planEndpoints, type WantedEndpoints } from "./plan.ts";

export default controller<Service, { existing: readonly Endpoints[]; pods: readonly Pod[] }>({
  name: "endpoint",
  for: resources.services,
  maps: {
    existing: {
      resource: resources.endpoints,
      find: ({ metadata }, all) => [all.get(metadata.namespace!, metadata.name)].filter((found) => found !== undefined),
      wakes: ({ metadata }, services) =>
        [services.get(metadata.namespace!, metadata.name)].filter((found) => found !== undefined),
    },
    pods: {
      resource: resources.pods,
      find: (service, pods) => pods.list(service.metadata.namespace).filter((pod) => picks(service, pod)),
      wakes: (pod, services) => services.list(pod.metadata.namespace).filter((service) => picks(service, pod)),
    },
  },
  when: ({ spec, metadata }) =>
    spec?.selector !== undefined && spec.type !== "ExternalName" && metadata.deletionTimestamp === undefined,
  plan: ({ object, existing: [existing], pods }) => {
    const wanted = planEndpoints(object, pods);
    const resource = resources.endpoints;
    if (existing === undefined) {
      return {
        actions: [create(resource, {
          apiVersion: "v1",
          kind: "Endpoints",
          metadata: {
            name: object.metadata.name,
            namespace: object.metadata.namespace,
            labels: wanted.labels,
            annotations: annotationsOf(wanted, {}),
            // It goes with its Service.
            ownerReferences: [controllerReference(object, resources.services)],
          },
          subsets: wanted.subsets,
        })],
      };
    }
    if (isUpToDate(existing, wanted)) return REST;
    const metadata = {
      ...existing.metadata,
      labels: wanted.labels,
      annotations: annotationsOf(wanted, existing.metadata.annotations ?? {}),
    };
    return { actions: [update(resource, existing, { metadata, subsets: wanted.subsets })] };
  },
}) satisfies Controller;

function annotationsOf({ isTruncated }: WantedEndpoints, known: Record<string, string>): Record<string, string> {
  const { [OVER_CAPACITY]: _, ...others } = known;
  return isTruncated ? { ...others, [OVER_CAPACITY]: "truncated" } : others;
}
