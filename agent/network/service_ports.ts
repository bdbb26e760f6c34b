/** What the ports of Services mean on this node: who is reached by which address. Pure. */
import { type EndpointSlice, isIPv4, type Pod, type Service, type ServicePort } from "@k3ts/model/objects";
import { type Backend, backendsOf, serviceKey, slicesByService } from "./endpoints.ts";

export type Protocol = "tcp" | "udp" | "sctp";

/** A port of a Service, as packet rules see it. */
export interface Port {
  /** Names chains and sets: letters, digits, `_`, `-` and `.`. */
  name: string;
  protocol: Protocol;
  port: number;
  /** On every address of the node. */
  nodePort?: number;
  /** Reached from inside of the cluster. */
  clusterAddresses: string[];
  /** External addresses, which lead here from outside too: `externalIPs` and those of a load balancer. */
  externalAddresses: string[];
  /** Ranges from which a load balancer's addresses may be used. Empty: from anywhere. */
  sourceRanges: string[];
  /** Those of `externalAddresses` that `sourceRanges` is about. */
  balancedAddresses: string[];
  /** All that can be used, on any node. */
  backends: Backend[];
  /** Those of them that run here. */
  localBackends: Backend[];
  /** `internalTrafficPolicy: Local`. */
  internalLocal: boolean;
  /** `externalTrafficPolicy: Local`: the client's address is kept, and only this node's endpoints are used. */
  externalLocal: boolean;
  /** Seconds for which a client comes back to its endpoint. */
  affinitySeconds?: number;
}

/** Kubernetes's own default of `sessionAffinityConfig.clientIP.timeoutSeconds`: three hours. */
const AFFINITY_SECONDS = 10_800;

/** @param leaving addresses of pods of this node that are on their way out */
export function portsOf(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  nodeName: string,
  leaving: ReadonlySet<string>,
): Port[] {
  const byService = slicesByService(slices);
  return services
    .flatMap((service) => portsOfService(service, byService.get(serviceKey(service)) ?? [], nodeName, leaving))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function portsOfService(
  service: Service,
  slices: readonly EndpointSlice[],
  nodeName: string,
  leaving: ReadonlySet<string>,
): Port[] {
  const { spec, status } = service;
  const clusterAddresses = [...new Set([...(spec?.clusterIPs ?? []), spec?.clusterIP ?? ""])].filter(isIPv4);
  if (spec?.type === "ExternalName" || clusterAddresses.length === 0) return [];
  const balancedAddresses = (status?.loadBalancer?.ingress ?? [])
    // A balancer that answers for itself is to be reached there (KEP-1860).
    .filter(({ ipMode }) => ipMode !== "Proxy")
    .flatMap(({ ip }) => ip !== undefined && isIPv4(ip) ? [ip] : []);
  const affinity = spec?.sessionAffinity === "ClientIP"
    ? { affinitySeconds: spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? AFFINITY_SECONDS }
    : {};
  return (spec?.ports ?? []).map((port): Port => {
    const backends = backendsOf(slices, port, leaving);
    return {
      name: nameOf(service, port),
      protocol: protocolOf(port.protocol),
      port: port.port,
      ...(port.nodePort !== undefined && port.nodePort > 0 && { nodePort: port.nodePort }),
      clusterAddresses,
      externalAddresses: [...new Set([...(spec?.externalIPs ?? []).filter(isIPv4), ...balancedAddresses])],
      balancedAddresses,
      sourceRanges: (spec?.loadBalancerSourceRanges ?? []).map((range) => range.trim()).filter(isIPv4Range),
      backends,
      localBackends: backends.filter((one) => one.nodeName === nodeName),
      internalLocal: spec?.internalTrafficPolicy === "Local",
      externalLocal: spec?.externalTrafficPolicy === "Local",
      ...affinity,
    };
  });
}

/** A port of this machine that leads to a container (`hostPort`). */
export interface HostPort {
  protocol: Protocol;
  hostPort: number;
  /** Undefined: every address of the machine. */
  hostAddress?: string;
  podAddress: string;
  containerPort: number;
}

/** @param address of the pod. Pods in the machine's own network need no rules. */
export function hostPortsOf(pod: Pod, address: string): HostPort[] {
  if (pod.spec?.hostNetwork === true) return [];
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  return [...sidecars, ...(pod.spec?.containers ?? [])].flatMap(({ ports }) => ports ?? []).flatMap((port) => {
    if (port.hostPort === undefined || port.hostPort === 0) return [];
    const isAny = port.hostIP === undefined || port.hostIP === "" || port.hostIP === "0.0.0.0";
    if (!isAny && !isIPv4(port.hostIP!)) return [];
    return [{
      protocol: protocolOf(port.protocol),
      hostPort: port.hostPort,
      ...(!isAny && { hostAddress: port.hostIP! }),
      podAddress: address,
      containerPort: port.containerPort,
    }];
  });
}

function protocolOf(protocol: string | undefined): Protocol {
  return (protocol ?? "TCP").toLowerCase() as Protocol;
}

function isIPv4Range(range: string): boolean {
  const [address, prefix] = range.split("/");
  return isIPv4(address!) && prefix !== undefined && /^\d+$/.test(prefix) && Number(prefix) <= 32;
}

/** Readable, and unique though it is cut: names in nftables have at most 255 characters. */
function nameOf(service: Service, port: ServicePort): string {
  const full = `${serviceKey(service)}/${port.protocol ?? "TCP"}/${port.port}`;
  const readable = `${service.metadata.namespace ?? "default"}-${service.metadata.name}`.slice(0, 60);
  return `${readable}-${port.port}-${fnv(full)}`;
}

/** FNV-1a, 32 bits. */
function fnv(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, "0");
}
