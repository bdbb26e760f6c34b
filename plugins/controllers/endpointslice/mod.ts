/** Lists, for every Service with a selector, the pods that stand behind it. */
import { type EndpointSlice, type Pod, resources, type Service } from "@k3ts/model/objects";
import { type Controller, controller } from "../../sdk/mod.ts";
import { picks } from "../service_pods.ts";
import { act } from "./act.ts";
import { planEndpointSlices } from "./plan.ts";

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
    actions: planEndpointSlices(object, pods, slices).map((action) => act(action, object, resources.services)),
  }),
}) satisfies Controller;
