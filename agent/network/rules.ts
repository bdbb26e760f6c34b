/**
 * Plans the packet rules of this node's Services as the table `k3ts`.
 *
 * Pure. A packet for a Service is looked up in a verdict map by address, protocol and port, goes to the chain of that
 * port, and from there at random to one of its endpoints (Kubernetes documentation: "Virtual IPs and Service
 * Proxies"; nft(8)). Equal input gives an equal table, so that nothing is replaced that has not changed.
 */
import { type EndpointSlice, isInIPv4Range, parseIPv4, parseIPv4Range, type Service } from "@k3ts/model/objects";
import type { Backend } from "./endpoints.ts";
import type { Chain, ClientSet, PacketTable } from "./packet_table.ts";
import { type HostPort, type Port, portsOf } from "./service_ports.ts";

export interface RulesInput {
  services: readonly Service[];
  slices: readonly EndpointSlice[];
  hostPorts: readonly HostPort[];
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

const BY_ADDRESS = "ipv4_addr . inet_proto . inet_service";
const BY_PORT = "inet_proto . inet_service";

export function planRules(input: RulesInput): PacketTable {
  const { services, slices, nodeName, leaving, podCidr } = input;
  const ports = portsOf(services, slices, nodeName, leaving);
  const maps = new Maps();
  for (const key of apiKeys(input)) {
    maps.served.set(key, "keep");
    maps.unserved.set(key, "keep");
  }
  const chains = new Map<string, Chain>(baseChains(input));
  const sets = new Map<string, ClientSet>();
  for (const port of ports) {
    look(port, maps, input.serviceCidr);
    for (const [name, rules] of chainsOf(port, podCidr)) chains.set(name, { rules });
    for (const backend of port.affinitySeconds === undefined ? [] : port.backends) {
      sets.set(clientsOf(port, backend), { seconds: port.affinitySeconds! });
    }
  }
  for (const hostPort of input.hostPorts) {
    const name = `host-port-${hostPort.protocol}-${hostPort.hostAddress ?? "any"}-${hostPort.hostPort}`;
    const key = `${hostPort.protocol} . ${hostPort.hostPort}`;
    if (hostPort.hostAddress === undefined) maps.nodePorts.set(key, name);
    else maps.hostPorts.set(`${hostPort.hostAddress} . ${key}`, name);
    chains.set(name, { rules: hostPortRules(hostPort) });
  }
  return { chains, sets, maps: maps.list() };
}

/** Chains by what leads there. */
class Maps {
  readonly served = new Map<string, string>();
  /** Those of Services inside of the cluster, whatever their ports. */
  readonly clusterAddresses = new Map<string, string>();
  readonly hostPorts = new Map<string, string>();
  readonly nodePorts = new Map<string, string>();
  readonly unserved = new Map<string, string>();
  readonly unservedNodePorts = new Map<string, string>();

  list(): PacketTable["maps"] {
    const map = (type: string, targets: ReadonlyMap<string, string>) => ({
      type,
      elements: new Map([...targets].map(([key, chain]) => [key, `goto ${chain}`])),
    });
    return new Map([
      ["services", map(BY_ADDRESS, this.served)],
      ["cluster-addresses", map("ipv4_addr", this.clusterAddresses)],
      ["host-ports", map(BY_ADDRESS, this.hostPorts)],
      ["node-ports", map(BY_PORT, this.nodePorts)],
      ["unserved", map(BY_ADDRESS, this.unserved)],
      ["unserved-node-ports", map(BY_PORT, this.unservedNodePorts)],
    ]);
  }
}

/** Where the API is served, loopback too: no Service and no pod may take that over by an address or a port of the machine. */
function apiKeys({ services, slices, nodeName, leaving }: RulesInput): string[] {
  const api = services.filter(({ metadata }) => metadata.namespace === "default" && metadata.name === "kubernetes");
  return portsOf(api, slices, nodeName, leaving).flatMap(({ protocol, backends }) =>
    backends.flatMap(({ address, port }) => [address, "127.0.0.1"].map((one) => `${one} . ${protocol} . ${port}`))
  );
}

/** The first to name a key keeps it: Services come in the order of their names. */
function put(map: Map<string, string>, key: string, chain: string): void {
  if (!map.has(key)) map.set(key, chain);
}

/**
 * Enters a port where packets are looked up. Without any endpoint a client is told so at once; where only this
 * node's would do and it has none, nothing answers, so that whoever balances over nodes goes elsewhere.
 */
function look(port: Port, maps: Maps, serviceCidr: string): void {
  const key = `${port.protocol} . ${port.port}`;
  const isNowhere = port.backends.length === 0;
  for (const address of port.clusterAddresses) {
    maps.clusterAddresses.set(address, "refuse");
    if (isNowhere) put(maps.unserved, `${address} . ${key}`, "refuse");
    else if (internalBackends(port).length === 0) put(maps.unserved, `${address} . ${key}`, "discard");
    else put(maps.served, `${address} . ${key}`, `service-${port.name}`);
  }
  const outside = externalBackends(port).length === 0 ? "discard-external" : undefined;
  // Whoever may make a Service must not get what is meant for another one, or for the cluster's DNS.
  const range = parseIPv4Range(serviceCidr);
  for (const address of port.externalAddresses.filter((one) => !isInIPv4Range(range, parseIPv4(one)))) {
    const isGuarded = port.sourceRanges.length > 0 && port.balancedAddresses.includes(address);
    if (isNowhere) put(maps.unserved, `${address} . ${key}`, "refuse");
    else if (outside !== undefined) put(maps.unserved, `${address} . ${key}`, outside);
    if (isGuarded) put(maps.unserved, `${address} . ${key}`, `guard-${port.name}`);
    if (!isNowhere) put(maps.served, `${address} . ${key}`, `external-${port.name}`);
  }
  if (port.nodePort === undefined) return;
  const nodeKey = `${port.protocol} . ${port.nodePort}`;
  if (isNowhere) put(maps.unservedNodePorts, nodeKey, "refuse");
  else if (outside !== undefined) put(maps.unservedNodePorts, nodeKey, outside);
  if (!isNowhere) put(maps.nodePorts, nodeKey, `external-${port.name}`);
}

function internalBackends(port: Port): Backend[] {
  return port.internalLocal ? port.localBackends : port.backends;
}

function externalBackends(port: Port): Backend[] {
  return port.externalLocal ? port.localBackends : port.backends;
}

/**
 * Ports of the machine are on its addresses for others: neither on loopback, nor where it serves as a Service itself
 * (the cluster's DNS), which a pod could take over by a `hostPort` else. On loopback are only those that asked for it.
 */
function lookUps(serviceCidr: string): Record<"served" | "unserved" | "unmatched", string[]> {
  const onNode = `fib daddr type local ip daddr != { 127.0.0.0/8, ${serviceCidr} }`;
  return {
    served: [
      "ip daddr . meta l4proto . th dport vmap @services",
      `${onNode} ip daddr . meta l4proto . th dport vmap @host-ports`,
      `${onNode} meta l4proto . th dport vmap @node-ports`,
    ],
    unserved: [
      "ct state new ip daddr . meta l4proto . th dport vmap @unserved",
      `ct state new ${onNode} meta l4proto . th dport vmap @unserved-node-ports`,
    ],
    unmatched: [`ct state new ip daddr ${serviceCidr} fib daddr type != local goto unmatched`],
  };
}

function baseChains({ bridge, podCidr, serviceCidr }: RulesInput): [string, Chain][] {
  const { served, unserved, unmatched } = lookUps(serviceCidr);
  return [
    ["prerouting", { hook: "type nat hook prerouting priority dstnat; policy accept;", rules: served }],
    ["output", {
      hook: "type nat hook output priority -100; policy accept;",
      rules: [...served, "ip daddr 127.0.0.0/8 ip daddr . meta l4proto . th dport vmap @host-ports"],
    }],
    // The bridge takes answers to loopback, which is nothing that a pod may begin with.
    ["loopback", {
      hook: "type filter hook prerouting priority raw; policy accept;",
      rules: [`iifname "${bridge}" ip daddr 127.0.0.0/8 drop`, `iifname "${bridge}" ip saddr 127.0.0.0/8 drop`],
    }],
    // Before addresses are translated, for what comes in and what this machine sends itself.
    ["unserved-prerouting", {
      hook: "type filter hook prerouting priority dstnat - 10; policy accept;",
      rules: unserved,
    }],
    ["unserved-output", { hook: "type filter hook output priority -110; policy accept;", rules: unserved }],
    // After that, for what was for no port of a Service: kube-proxy refuses it, and drops what is for no Service at all.
    ["unmatched-prerouting", {
      hook: "type filter hook prerouting priority dstnat + 10; policy accept;",
      rules: unmatched,
    }],
    ["unmatched-output", { hook: "type filter hook output priority -90; policy accept;", rules: unmatched }],
    ["unmatched", { rules: ["ip daddr vmap @cluster-addresses", "drop"] }],
    ["refuse", { rules: ["meta l4proto tcp reject with tcp reset", "reject with icmp type port-unreachable"] }],
    ["discard", { rules: ["drop"] }],
    ["keep", { rules: ["accept"] }],
    // Pods and this machine itself reach an external address as they reach the Service's own.
    ["discard-external", { rules: [`ip saddr ${podCidr} return`, "fib saddr type local return", "drop"] }],
    ["postrouting", {
      hook: "type nat hook postrouting priority srcnat; policy accept;",
      rules: [
        `meta mark & ${MASQUERADE} == ${MASQUERADE} masquerade`,
        `ip saddr ${podCidr} ip daddr != { ${podCidr}, ${serviceCidr} } oifname != "${bridge}" masquerade`,
      ],
    }],
    ["mark-masquerade", { rules: [`meta mark set meta mark | ${MASQUERADE}`] }],
  ];
}

function* chainsOf(port: Port, podCidr: string): Generator<[string, string[]]> {
  if (port.backends.length === 0) return;
  const internal = internalBackends(port);
  if (internal.length > 0) {
    yield [`service-${port.name}`, [
      // Who comes from neither a pod nor this machine must get its answers by way of this machine.
      `ip saddr != ${podCidr} fib saddr type != local jump mark-masquerade`,
      ...balance(port, internal),
    ]];
  }
  if (port.nodePort !== undefined || port.externalAddresses.length > 0) {
    yield [`external-${port.name}`, externalRules(port, podCidr)];
  }
  if (port.sourceRanges.length > 0 && port.balancedAddresses.length > 0) {
    yield [`guard-${port.name}`, [`ip saddr { ${port.sourceRanges.join(", ")} } return`, "drop"]];
  }
  for (const backend of port.backends) {
    yield [endpointOf(port, backend), [
      // A pod that reaches itself through a Service must see another's address, or it would answer itself.
      `ip saddr ${backend.address} jump mark-masquerade`,
      ...(port.affinitySeconds === undefined
        ? []
        : [`update @${clientsOf(port, backend)} { ip saddr timeout ${port.affinitySeconds}s }`]),
      `meta l4proto ${port.protocol} dnat to ${backend.address}:${backend.port}`,
    ]];
  }
}

function externalRules(port: Port, podCidr: string): string[] {
  if (!port.externalLocal) return ["jump mark-masquerade", ...balance(port, port.backends)];
  return [
    ...choose(port, port.backends, `ip saddr ${podCidr} `),
    "fib saddr type local jump mark-masquerade",
    ...choose(port, port.backends, "fib saddr type local "),
    ...(port.localBackends.length === 0 ? [] : balance(port, port.localBackends)),
  ];
}

function hostPortRules({ protocol, podAddress, containerPort }: HostPort): string[] {
  return [
    `ip saddr ${podAddress} jump mark-masquerade`,
    "fib saddr type local jump mark-masquerade",
    `meta l4proto ${protocol} dnat to ${podAddress}:${containerPort}`,
  ];
}

/** To the endpoint that knows the client, else to any. */
function balance(port: Port, backends: readonly Backend[]): string[] {
  const known = port.affinitySeconds === undefined || backends.length === 1
    ? []
    : backends.map((backend) => `ip saddr @${clientsOf(port, backend)} goto ${endpointOf(port, backend)}`);
  return [...known, ...choose(port, backends)];
}

/**
 * To any of them. A packet that is on its way through a rule while that is replaced finds its map empty already: the
 * kernel lets rules go later than what is in their sets. It goes to the last endpoint, as nobody would answer it else.
 *
 * @param where what a packet must match
 */
function choose(port: Port, backends: readonly Backend[], where = ""): string[] {
  const last = `${where}goto ${endpointOf(port, backends.at(-1)!)}`;
  if (backends.length === 1) return [last];
  const choices = backends.map((backend, at) => `${at} : goto ${endpointOf(port, backend)}`);
  return [`${where}numgen random mod ${backends.length} vmap { ${choices.join(", ")} }`, last];
}

function endpointOf(port: Port, backend: Backend): string {
  return `endpoint-${port.name}-${backend.address}-${backend.port}`;
}

/** The set of clients that an endpoint has served. */
function clientsOf(port: Port, backend: Backend): string {
  return `clients-${port.name}-${backend.address}-${backend.port}`;
}
