/**
 * Plans the packet rules of this node's Services as one nftables script that replaces the table `k3ts` at once.
 *
 * Pure. A packet for a Service is looked up in a verdict map by address, protocol and port, goes to the chain of that
 * port, and from there at random to one of its endpoints (Kubernetes documentation: "Virtual IPs and Service
 * Proxies"; nft(8)). Equal input gives equal text, so that nothing is replaced that has not changed.
 */
import { type EndpointSlice, isIPv4, type Service, type ServicePort } from "@k3ts/model/objects";
import { type Backend, backendsOf, serviceKey, slicesByService } from "./endpoints.ts";

export interface RulesInput {
  services: readonly Service[];
  slices: readonly EndpointSlice[];
  nodeName: string;
  /** The bridge that pods hang on. */
  bridge: string;
  /** All pods of the cluster: 10.42.0.0/16. */
  podCidr: string;
  serviceCidr: string;
  /** Addresses of pods of this node that are on their way out: they get no new connections. */
  leaving: ReadonlySet<string>;
}

/** Packets with this mark leave with this node's address, so that answers come back through it. */
const MASQUERADE = "0x4000";

interface Port {
  /** Chain names take letters, digits, _ and -. */
  name: string;
  addresses: string[];
  protocol: "tcp" | "udp" | "sctp";
  port: number;
  nodePort?: number;
  backends: Backend[];
  /** Of this node: what `internalTrafficPolicy: Local` asks for. */
  affinity: boolean;
  /** A nodePort that keeps the client's address and only reaches this node's endpoints. */
  externalLocal: boolean;
  localBackends: Backend[];
}

export function planRules(input: RulesInput): string {
  const ports = portsOf(input).sort((a, b) => (a.name < b.name ? -1 : 1));
  const served = ports.filter((one) => one.backends.length > 0);
  const refused = ports.filter((one) => one.backends.length === 0);
  const nodePorts = ports.filter((one) => one.nodePort !== undefined);
  return [
    // Created first, so that the deletion that follows cannot fail.
    "table ip k3ts",
    "delete table ip k3ts",
    "table ip k3ts {",
    map(
      "services",
      "ipv4_addr . inet_proto . inet_service",
      served.flatMap((one) =>
        one.addresses.map((address) => `${address} . ${one.protocol} . ${one.port} : goto service-${one.name}`)
      ),
    ),
    map(
      "node-ports",
      "inet_proto . inet_service",
      nodePorts.filter((one) => externalBackends(one).length > 0).map((one) =>
        `${one.protocol} . ${one.nodePort} : goto external-${one.name}`
      ),
    ),
    map(
      "refused",
      "ipv4_addr . inet_proto . inet_service",
      refused.flatMap((one) =>
        one.addresses.map((address) => `${address} . ${one.protocol} . ${one.port} : goto refuse`)
      ),
    ),
    map(
      "refused-node-ports",
      "inet_proto . inet_service",
      nodePorts.filter((one) => externalBackends(one).length === 0)
        .map((one) => `${one.protocol} . ${one.nodePort} : goto refuse`),
    ),
    ...baseChains(input),
    ...served.flatMap(serviceChains),
    "}",
    "",
  ].filter((line) => line !== "").join("\n") + "\n";
}

function externalBackends(port: Port): Backend[] {
  return port.externalLocal ? port.localBackends : port.backends;
}

function portsOf(input: RulesInput): Port[] {
  const slices = slicesByService(input.slices);
  return input.services.flatMap((service) => {
    const { spec } = service;
    const cluster = [...new Set([...(spec?.clusterIPs ?? []), spec?.clusterIP ?? ""])].filter(isIPv4);
    const external = [
      ...(spec?.externalIPs ?? []),
      ...(service.status?.loadBalancer?.ingress ?? []).map((one) => one.ip ?? ""),
    ];
    if (spec?.type === "ExternalName" || cluster.length === 0) return [];
    return (spec?.ports ?? []).map((port): Port => {
      const all = backendsOf(slices.get(serviceKey(service)) ?? [], port, input.leaving);
      const local = all.filter((one) => one.nodeName === input.nodeName);
      return {
        name: chainName(service, port),
        addresses: [...cluster, ...external.filter(isIPv4)],
        protocol: (port.protocol ?? "TCP").toLowerCase() as Port["protocol"],
        port: port.port,
        ...(port.nodePort !== undefined && port.nodePort > 0 && { nodePort: port.nodePort }),
        backends: spec?.internalTrafficPolicy === "Local" ? local : all,
        affinity: spec?.sessionAffinity === "ClientIP",
        externalLocal: spec?.externalTrafficPolicy === "Local",
        localBackends: local,
      };
    });
  });
}

/** Readable, and unique though it is cut: chains have at most 127 characters. */
function chainName(service: Service, port: ServicePort): string {
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

function map(name: string, type: string, elements: string[]): string {
  const content = elements.length === 0 ? "" : `\n    elements = { ${elements.sort().join(",\n      ")} }`;
  return `  map ${name} {\n    type ${type} : verdict${content}\n  }`;
}

const LOOK_UP = [
  "    ip daddr . meta l4proto . th dport vmap @services",
  "    fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @node-ports",
];
const LOOK_UP_REFUSED = [
  "    ct state new ip daddr . meta l4proto . th dport vmap @refused",
  "    ct state new fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @refused-node-ports",
];

function baseChains({ bridge, podCidr, serviceCidr }: RulesInput): string[] {
  const chain = (name: string, hook: string, rules: string[]) =>
    [`  chain ${name} {`, ...(hook === "" ? [] : [`    ${hook}`]), ...rules, "  }"].join("\n");
  return [
    chain("prerouting", "type nat hook prerouting priority dstnat; policy accept;", LOOK_UP),
    chain("output", "type nat hook output priority -100; policy accept;", LOOK_UP),
    // Before addresses are translated, for what comes in and what this machine sends itself.
    chain("refuse-prerouting", "type filter hook prerouting priority dstnat - 10; policy accept;", LOOK_UP_REFUSED),
    chain("refuse-output", "type filter hook output priority -110; policy accept;", LOOK_UP_REFUSED),
    chain("refuse", "", ["    meta l4proto tcp reject with tcp reset", "    reject with icmp type port-unreachable"]),
    chain("postrouting", "type nat hook postrouting priority srcnat; policy accept;", [
      `    meta mark & ${MASQUERADE} == ${MASQUERADE} masquerade`,
      `    ip saddr ${podCidr} ip daddr != { ${podCidr}, ${serviceCidr} } oifname != "${bridge}" masquerade`,
    ]),
    chain("mark-masquerade", "", [`    meta mark set meta mark | ${MASQUERADE}`]),
  ];
}

function serviceChains(port: Port): string[] {
  const external = externalBackends(port);
  const endpoints = uniqueBackends([...port.backends, ...external]);
  return [
    chainOf(`service-${port.name}`, balance(port, port.backends)),
    ...(port.nodePort !== undefined && external.length > 0
      ? [
        chainOf(`external-${port.name}`, [
          ...(port.externalLocal ? [] : ["jump mark-masquerade"]),
          ...balance(port, external),
        ]),
      ]
      : []),
    ...endpoints.map((backend) =>
      chainOf(`endpoint-${port.name}-${backend.address}-${backend.port}`, [
        // A pod that reaches itself through a Service must see another's address, or it would answer itself.
        `ip saddr ${backend.address} jump mark-masquerade`,
        `meta l4proto ${port.protocol} dnat to ${backend.address}:${backend.port}`,
      ])
    ),
  ];
}

function uniqueBackends(backends: readonly Backend[]): Backend[] {
  return [...new Map(backends.map((one) => [`${one.address}:${one.port}`, one])).values()];
}

function chainOf(name: string, rules: string[]): string {
  return [`  chain ${name} {`, ...rules.map((rule) => `    ${rule}`), "  }"].join("\n");
}

/** At random; by the client's address where it must come back to the same endpoint. */
function balance(port: Port, backends: readonly Backend[]): string[] {
  const target = (backend: Backend) => `goto endpoint-${port.name}-${backend.address}-${backend.port}`;
  if (backends.length === 1) return [target(backends[0]!)];
  const how = port.affinity ? `jhash ip saddr mod ${backends.length}` : `numgen random mod ${backends.length}`;
  return [`${how} vmap { ${backends.map((backend, at) => `${at} : ${target(backend)}`).join(", ")} }`];
}
