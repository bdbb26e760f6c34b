/**
 * Decides which EndpointSlices say what Endpoints say that are not ours. Pure.
 *
 * Behaviour follows Kubernetes 1.35 (docs: "EndpointSlices", "EndpointSlice mirroring").
 */
import type { Endpoint, EndpointAddress, Endpoints, EndpointSlice, Service } from "@k3ts/model/objects";
import { type EndpointGroup, MANAGED_BY, planSlices, SERVICE_NAME, type SliceAction } from "../endpointslice/plan.ts";

const SKIP_MIRROR = "endpointslice.kubernetes.io/skip-mirror";
/** Of Endpoints that were used as a lock by programs of old. */
const LEADER = "control-plane.alpha.kubernetes.io/leader";
const MIRROR = "endpointslicemirroring-controller.k8s.io";
/** Of a subset. What is beyond is left out. */
const ADDRESSES_MAX = 1_000;

/** @param slices every slice that the Endpoints control */
export function planMirror(
  endpoints: Endpoints,
  service: Service | undefined,
  slices: readonly EndpointSlice[],
): SliceAction[] {
  const { metadata } = endpoints;
  if (metadata.deletionTimestamp !== undefined) return [];
  const labels = { ...metadata.labels, [SERVICE_NAME]: metadata.name, [MANAGED_BY]: MIRROR };
  return planSlices(isMirrored(endpoints, service) ? groupsOf(endpoints) : [], labels, slices);
}

function isMirrored({ metadata }: Endpoints, service: Service | undefined): boolean {
  return service !== undefined && service.spec?.selector === undefined &&
    metadata.labels?.[SKIP_MIRROR] !== "true" && metadata.annotations?.[LEADER] === undefined;
}

function groupsOf({ subsets }: Endpoints): EndpointGroup[] {
  const groups = new Map<string, EndpointGroup & { byAddress: Map<string, Endpoint> }>();
  for (const { addresses, notReadyAddresses, ports: given } of subsets ?? []) {
    const ports = (given ?? []).map(({ name = "", protocol = "TCP", port, appProtocol }) => ({
      name,
      protocol,
      port,
      ...(appProtocol !== undefined && { appProtocol }),
    }));
    const all = [
      ...(addresses ?? []).map((address) => ({ address, ready: true })),
      ...(notReadyAddresses ?? []).map((address) => ({ address, ready: false })),
    ];
    for (const { address, ready } of all.slice(0, ADDRESSES_MAX)) {
      const addressType = address.ip.includes(":") ? "IPv6" : "IPv4";
      const key = JSON.stringify([addressType, ports]);
      const group = groups.get(key) ?? { addressType, ports, endpoints: [], byAddress: new Map() };
      groups.set(key, group);
      // Who is both ready and not is ready.
      const known = group.byAddress.get(address.ip);
      if (known === undefined || known.conditions?.ready === false) {
        group.byAddress.set(address.ip, endpointOf(address, ready));
      }
    }
  }
  return [...groups.values()].map(({ byAddress, ...group }) => ({ ...group, endpoints: [...byAddress.values()] }));
}

function endpointOf({ ip, hostname, nodeName, targetRef }: EndpointAddress, ready: boolean): Endpoint {
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname !== undefined && { hostname }),
    ...(targetRef !== undefined && { targetRef }),
    ...(nodeName !== undefined && { nodeName }),
  };
}
