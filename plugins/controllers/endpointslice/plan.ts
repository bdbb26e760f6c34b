/**
 * Decides which EndpointSlices a Service needs for the pods that its selector picks, changing as few of those
 * that exist as it can. Pure.
 *
 * Behaviour follows Kubernetes 1.35 (docs: "EndpointSlices"; KEP-752, KEP-1672 terminating endpoints).
 */
import {
  canonicalJson,
  type discoveryV1,
  type Endpoint,
  type EndpointSlice,
  isReady,
  isTerminal,
  type Pod,
  type Service,
} from "@k3ts/model/objects";

import { addressOf, type Family, portOf } from "../service_pods.ts";

/** Of discovery.k8s.io; core/v1 has another one of this name. */
type EndpointPort = discoveryV1.EndpointPort;

export const SERVICE_NAME = "kubernetes.io/service-name";
export const MANAGED_BY = "endpointslice.kubernetes.io/managed-by";
export const MANAGER = "endpointslice-controller.k8s.io";
const HEADLESS = "service.kubernetes.io/headless";
const ENDPOINTS_MAX = 100;

export interface WantedSlice {
  addressType: Family;
  ports: EndpointPort[];
  endpoints: Endpoint[];
  labels: Record<string, string>;
}

export type SliceAction =
  | { do: "createSlice"; slice: WantedSlice }
  | { do: "updateSlice"; slice: EndpointSlice; next: WantedSlice }
  | { do: "deleteSlice"; slice: EndpointSlice };

/**
 * @param pods every pod of the namespace that the selector picks
 * @param slices every slice that the Service controls
 */
export function planEndpointSlices(
  service: Service,
  pods: readonly Pod[],
  slices: readonly EndpointSlice[],
): SliceAction[] {
  if (
    service.metadata.deletionTimestamp !== undefined || service.spec?.selector === undefined ||
    service.spec.type === "ExternalName"
  ) return [];
  const groups = families(service).flatMap((addressType) =>
    groupByPorts(service, pods, addressType).map((group) => ({ addressType, ...group }))
  );
  return planSlices(groups, labelsOf(service), slices);
}

/** Endpoints of one kind of address that are reached at the same ports. */
export type EndpointGroup = Omit<WantedSlice, "labels">;

/** @param slices every slice that whatever the endpoints are of controls */
export function planSlices(
  groups: readonly EndpointGroup[],
  labels: Record<string, string>,
  slices: readonly EndpointSlice[],
): SliceAction[] {
  const actions: SliceAction[] = [];
  const left = new Set(slices.filter((slice) => slice.metadata.deletionTimestamp === undefined));
  for (const group of groups) {
    const mine = [...left].filter((slice) =>
      slice.addressType === group.addressType && canonicalJson(portsOf(slice)) === canonicalJson(portsOf(group))
    );
    for (const slice of mine) left.delete(slice);
    actions.push(...fill(mine, { ...group, labels }));
  }
  return recycle([...actions, ...[...left].map((slice) => ({ do: "deleteSlice" as const, slice }))]);
}

/** A slice that would be deleted while another one is made becomes that one, so that no watcher sees neither. */
function recycle(actions: readonly SliceAction[]): SliceAction[] {
  const spare = actions.filter((action) => action.do === "deleteSlice").map(({ slice }) => slice);
  const changed = actions.filter((action) => action.do !== "deleteSlice").map((action): SliceAction => {
    if (action.do !== "createSlice") return action;
    const at = spare.findIndex(({ addressType }) => addressType === action.slice.addressType);
    return at < 0 ? action : { do: "updateSlice", slice: spare.splice(at, 1)[0]!, next: action.slice };
  });
  return [...changed, ...spare.map((slice) => ({ do: "deleteSlice" as const, slice }))];
}

/** Keeps endpoints where they are, drops those that left, and puts new ones where there is room. */
function fill(existing: readonly EndpointSlice[], wanted: WantedSlice): SliceAction[] {
  const missing = new Map(wanted.endpoints.map((endpoint) => [identityOf(endpoint), endpoint]));
  const kept = existing.map((slice) => {
    const endpoints: Endpoint[] = [];
    for (const endpoint of slice.endpoints ?? []) {
      const next = missing.get(identityOf(endpoint));
      if (next === undefined) continue;
      missing.delete(identityOf(endpoint));
      endpoints.push(next);
    }
    return { slice, endpoints };
  });
  for (const { endpoints } of kept) {
    for (const [identity, endpoint] of missing) {
      if (endpoints.length >= ENDPOINTS_MAX) break;
      endpoints.push(endpoint);
      missing.delete(identity);
    }
  }
  // A Service without endpoints has one empty slice, so that its absence is told from its emptiness.
  const rest = [...missing.values()];
  const fresh: Endpoint[][] = [];
  for (let at = 0; at < rest.length; at += ENDPOINTS_MAX) fresh.push(rest.slice(at, at + ENDPOINTS_MAX));
  const spare = kept.filter(({ endpoints }) => endpoints.length > 0).length + fresh.length > 0
    ? kept.filter(({ endpoints }) => endpoints.length === 0)
    : kept.slice(1);
  if (kept.length === 0 && fresh.length === 0) fresh.push([]);
  return [
    ...fresh.map((endpoints): SliceAction => ({ do: "createSlice", slice: { ...wanted, endpoints } })),
    ...kept.filter((entry) => !spare.includes(entry)).flatMap(({ slice, endpoints }): SliceAction[] => {
      const next = { ...wanted, endpoints };
      return isSame(slice, next) ? [] : [{ do: "updateSlice", slice, next }];
    }),
    ...spare.map(({ slice }): SliceAction => ({ do: "deleteSlice", slice })),
  ];
}

function isSame(slice: EndpointSlice, next: WantedSlice): boolean {
  return canonicalJson(slice.metadata.labels ?? {}) === canonicalJson(next.labels) &&
    canonicalJson(plain(slice.endpoints ?? [])) === canonicalJson(plain(next.endpoints));
}

function plain(value: unknown): Parameters<typeof canonicalJson>[0] {
  return JSON.parse(JSON.stringify(value));
}

function portsOf({ ports }: { ports?: readonly EndpointPort[] | null }): Parameters<typeof canonicalJson>[0] {
  return plain(
    (ports ?? []).map(({ name = "", protocol = "TCP", port, appProtocol }) => ({ name, protocol, port, appProtocol })),
  );
}

function identityOf(endpoint: Endpoint): string {
  return endpoint.targetRef?.uid ?? endpoint.addresses.join(",");
}

function labelsOf(service: Service): Record<string, string> {
  return {
    ...service.metadata.labels,
    [SERVICE_NAME]: service.metadata.name,
    [MANAGED_BY]: MANAGER,
    ...(service.spec?.clusterIP === "None" && { [HEADLESS]: "" }),
  };
}

function families(service: Service): Family[] {
  const families = (service.spec?.ipFamilies ?? []) as Family[];
  return families.length > 0 ? families : ["IPv4"];
}

/** Pods whose ports resolve alike share slices: a named target port may differ from pod to pod. */
function groupByPorts(
  service: Service,
  pods: readonly Pod[],
  family: Family,
): { ports: EndpointPort[]; endpoints: Endpoint[] }[] {
  const groups = new Map<string, { ports: EndpointPort[]; endpoints: Endpoint[] }>();
  for (const pod of pods) {
    const address = addressOf(pod, family);
    if (address === undefined || isTerminal(pod)) continue;
    const ports = (service.spec?.ports ?? []).flatMap((port) => portOf(port, pod));
    const key = canonicalJson(portsOf({ ports }));
    const group = groups.get(key) ?? { ports, endpoints: [] };
    group.endpoints.push(endpointOf(service, pod, address));
    groups.set(key, group);
  }
  if (groups.size === 0) return [{ ports: [], endpoints: [] }];
  return [...groups.values()];
}

function endpointOf(service: Service, pod: Pod, address: string): Endpoint {
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const serving = isReady(pod);
  const { hostname, subdomain } = pod.spec ?? {};
  return {
    addresses: [address],
    conditions: {
      ready: service.spec?.publishNotReadyAddresses === true || (serving && !terminating),
      serving,
      terminating,
    },
    ...(hostname !== undefined && subdomain === service.metadata.name && { hostname }),
    targetRef: { kind: "Pod", namespace: pod.metadata.namespace, name: pod.metadata.name, uid: pod.metadata.uid },
    ...(pod.spec?.nodeName !== undefined && { nodeName: pod.spec.nodeName }),
  };
}
