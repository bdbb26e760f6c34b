/** Carries out what is planned for the EndpointSlices of an object, with which they go. */
import { type KubernetesObject, type ResourceRef, resources } from "@k3ts/model/objects";
import { type Action, controllerReference, create, update } from "../../sdk/mod.ts";
import type { SliceAction, WantedSlice } from "./plan.ts";

export function act(action: SliceAction, owner: KubernetesObject, ownerResource: ResourceRef): Action {
  const resource = resources.endpointslices;
  switch (action.do) {
    case "createSlice":
      return create(resource, {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: {
          generateName: `${owner.metadata.name}-`,
          namespace: owner.metadata.namespace,
          labels: action.slice.labels,
          ownerReferences: [controllerReference(owner, ownerResource)],
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
