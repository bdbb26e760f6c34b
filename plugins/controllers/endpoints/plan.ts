/**
 * Decides what the Endpoints of a Service say: the older form of its EndpointSlices, in one object. Pure.
 *
 * Behaviour follows Kubernetes 1.35 (docs: "Services", "Endpoints (deprecated)").
 */
import {
  canonicalJson,
  type coreV1,
  type EndpointAddress,
  type Endpoints,
  type EndpointSubset,
  isReady,
  isTerminal,
  type Pod,
  type Service,
} from "@k3ts/model/objects";
import { addressOf, type Family, portOf } from "../service_pods.ts";

export const OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity";
const MANAGED_BY = "endpoints.kubernetes.io/managed-by";
const HEADLESS = "service.kubernetes.io/headless";
const ADDRESSES_MAX = 1_000;

export interface WantedEndpoints {
  subsets: EndpointSubset[];
  labels: Record<string, string>;
  /** Some addresses were left out. */
  isTruncated: boolean;
}

/** @param pods every pod of the namespace that the selector picks */
export function planEndpoints(service: Service, pods: readonly Pod[]): WantedEndpoints {
  const listed = pods.filter((pod) => isListed(service, pod)).toSorted(byReadiness);
  const subsets = new Map<string, EndpointSubset>();
  for (const pod of listed.slice(0, ADDRESSES_MAX)) {
    const ports = (service.spec?.ports ?? []).flatMap((port) => portOf(port, pod)).map(shownPort);
    const key = canonicalJson(plain(ports));
    const subset = subsets.get(key) ?? { ...(ports.length > 0 && { ports }) };
    const list = isReady(pod) || service.spec?.publishNotReadyAddresses === true ? "addresses" : "notReadyAddresses";
    subset[list] = [...subset[list] ?? [], addressFor(service, pod)];
    subsets.set(key, subset);
  }
  return {
    subsets: [...subsets].sort(([a], [b]) => compare(a, b)).map(([, subset]) => sorted(subset)),
    labels: {
      ...service.metadata.labels,
      [MANAGED_BY]: "endpoint-controller",
      ...(service.spec?.clusterIP === "None" && { [HEADLESS]: "" }),
    },
    isTruncated: listed.length > ADDRESSES_MAX,
  };
}

export function isUpToDate(existing: Endpoints, wanted: WantedEndpoints): boolean {
  const isTruncated = existing.metadata.annotations?.[OVER_CAPACITY] !== undefined;
  return isTruncated === wanted.isTruncated &&
    canonicalJson(existing.metadata.labels ?? {}) === canonicalJson(wanted.labels) &&
    canonicalJson(plain(existing.subsets ?? [])) === canonicalJson(plain(wanted.subsets));
}

function isListed(service: Service, pod: Pod): boolean {
  const isGoing = pod.metadata.deletionTimestamp !== undefined && service.spec?.publishNotReadyAddresses !== true;
  return !isTerminal(pod) && !isGoing && addressOf(pod, familyOf(service)) !== undefined;
}

function familyOf(service: Service): Family {
  return (service.spec?.ipFamilies?.[0] ?? "IPv4") as Family;
}

/** Those that serve are the last to be left out. */
function byReadiness(a: Pod, b: Pod): number {
  return Number(isReady(b)) - Number(isReady(a)) || compare(a.metadata.name, b.metadata.name);
}

function shownPort({ name, protocol, port, appProtocol }: ReturnType<typeof portOf>[number]): coreV1.EndpointPort {
  return { ...(name !== "" && { name }), port, protocol, ...(appProtocol !== undefined && { appProtocol }) };
}

function addressFor(service: Service, pod: Pod): EndpointAddress {
  const { hostname, subdomain, nodeName } = pod.spec;
  const { name, namespace, uid } = pod.metadata;
  return {
    ip: addressOf(pod, familyOf(service))!,
    ...(hostname && subdomain === service.metadata.name && { hostname }),
    ...(nodeName !== undefined && { nodeName }),
    targetRef: { kind: "Pod", namespace, name, uid },
  };
}

function sorted(subset: EndpointSubset): EndpointSubset {
  const byAddress = (a: EndpointAddress, b: EndpointAddress) =>
    compare(a.ip, b.ip) || compare(a.targetRef?.uid ?? "", b.targetRef?.uid ?? "");
  const { addresses, notReadyAddresses, ports } = subset;
  return {
    ...(addresses && { addresses: addresses.toSorted(byAddress) }),
    ...(notReadyAddresses && { notReadyAddresses: notReadyAddresses.toSorted(byAddress) }),
    ...(ports && { ports }),
  };
}

function plain(value: unknown): Parameters<typeof canonicalJson>[0] {
  return JSON.parse(JSON.stringify(value));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
