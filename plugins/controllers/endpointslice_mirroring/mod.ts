/** Gives Services without a selector the EndpointSlices that follow from Endpoints which somebody has written. */
import { type Endpoints, type EndpointSlice, resources, type Service } from "@k3ts/model/objects";
import { type Controller, controller } from "../../sdk/mod.ts";
import { act } from "../endpointslice/act.ts";
import { planMirror } from "./plan.ts";

export default controller<Endpoints, { slices: readonly EndpointSlice[]; services: readonly Service[] }>({
  name: "endpointslicemirroring",
  for: resources.endpoints,
  owns: { slices: resources.endpointslices },
  maps: {
    services: {
      resource: resources.services,
      find: ({ metadata }, all) => [all.get(metadata.namespace!, metadata.name)].filter((found) => found !== undefined),
      wakes: ({ metadata }, endpoints) =>
        [endpoints.get(metadata.namespace!, metadata.name)].filter((found) => found !== undefined),
    },
  },
  plan: ({ object, slices, services: [service] }) => ({
    actions: planMirror(object, service, slices).map((action) => act(action, object, resources.endpoints)),
  }),
}) satisfies Controller;
