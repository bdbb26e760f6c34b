/** Lists, for every Service with a selector, the pods that stand behind it. */
import { type EndpointSlice, type Pod, resources, type Service } from "@k3ts/model/objects";
import { type Action, type Controller, controller, controllerReference, create, update } from "../../sdk/mod.ts";
import { picks } from "../service_pods.ts";
import { planEndpointSlices, type SliceAction, type WantedSlice } from "./plan.ts";

export default controller<Service, { slices: readonly EndpointSlice[]; pods: readonly Pod[] }>({
  name: "endpointslice",
  for: resources.services,
  owns: { slices: resources.endpointslices },
  maps: {
    pods: {
      resource: resources.pods,
      find: (service, pods) => pods.list(service.metadata.namespace).filter((pod) => picks(service, pod)),
      wakes: (pod, services) => services.list(pod.metadata.namespace).filter((service) => picks(service, pod)),
    },
  },
  when: (service) => service.spec?.selector !== undefined,
  plan: ({ object, slices, pods }) => ({
    actions: planEndpointSlices(object, pods, slices).map((action) => act(action, object)),
  }),
}) satisfies Controller;

function act(action: SliceAction, service: Service): Action {
  const resource = resources.endpointslices;
  switch (action.do) {
    case "createSlice":
      return create(resource, {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: {
          generateName: `${service.metadata.name}-`,
          namespace: service.metadata.namespace,
          labels: action.slice.labels,
          ownerReferences: [controllerReference(service, resources.services)],
        },
        ...body(action.slice),
      });
    case "updateSlice":
      return update(resource, action.slice, {
        metadata: { ...action.slice.metadata, labels: action.next.labels },
        ...body(action.next),
      });
    case "deleteSlice":
      return { do: "delete", resource, object: action.slice, because: "no endpoint is left in it" };
  }
}

function body({ addressType, ports, endpoints }: WantedSlice) {
  return { addressType, ports, endpoints };
}
