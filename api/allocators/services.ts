/** Gives Services their cluster addresses and node ports. Knows what is taken from the Services themselves. */
import type { Allocator } from "../registry/options.ts";
import type { ObjectData } from "../registry/stored_object.ts";
import { internalError, invalid } from "../status.ts";
import { AddressRange, pickFree } from "./ranges.ts";

export interface ServiceRanges {
  /** @default 10.43.0.0/16 */
  addresses: string;
  /** The API's own, cluster DNS's: only for the Services of the system that ask for them. @default the first and the tenth */
  reserved: readonly string[];
  /** @default 30000 to 32767 */
  nodePorts: { from: number; to: number };
}

export const SERVICE_RANGES: ServiceRanges = {
  addresses: "10.43.0.0/16",
  reserved: ["10.43.0.1", "10.43.0.10"],
  nodePorts: { from: 30000, to: 32767 },
};

interface PortData {
  port?: number;
  protocol?: string;
  nodePort?: number;
}

interface ServiceData extends ObjectData {
  spec?: {
    type?: string;
    clusterIP?: string;
    clusterIPs?: string[];
    ipFamilies?: string[];
    ipFamilyPolicy?: string;
    ports?: PortData[];
    externalTrafficPolicy?: string;
    healthCheckNodePort?: number;
    allocateLoadBalancerNodePorts?: boolean;
  };
}

type ServiceSpec = NonNullable<ServiceData["spec"]>;

export class ServiceAllocator implements Allocator {
  readonly #range: AddressRange;
  readonly #reserved: ReadonlySet<string>;
  readonly #nodePorts: { from: number; to: number };
  readonly #random: () => number;
  readonly #addresses = new Map<string, string>();
  /** `TCP/30080` → the Service. */
  readonly #ports = new Map<string, string>();

  constructor(ranges: ServiceRanges, random: () => number) {
    this.#range = new AddressRange(ranges.addresses);
    this.#reserved = new Set(ranges.reserved);
    this.#nodePorts = ranges.nodePorts;
    this.#random = random;
  }

  assign(next: ServiceData, previous: ServiceData | undefined): void {
    const { spec } = next;
    if (spec === undefined) return;
    const owner = keyOf(next);
    if (spec.type === "ExternalName") {
      delete spec.clusterIP;
      delete spec.clusterIPs;
      delete spec.ipFamilies;
      delete spec.ipFamilyPolicy;
    } else this.#assignAddress(next, spec, previous?.spec, owner);
    this.#assignPorts(next, spec, previous?.spec, owner);
  }

  observe(next: ServiceData | undefined, previous: ServiceData | undefined): void {
    for (const service of [previous, next]) {
      const gives = service === previous;
      if (service?.spec === undefined) continue;
      const owner = keyOf(service);
      const { clusterIP } = service.spec;
      if (clusterIP && clusterIP !== "None") note(this.#addresses, clusterIP, owner, gives);
      for (const port of service.spec.ports ?? []) if (port.nodePort) note(this.#ports, portKey(port), owner, gives);
      const { healthCheckNodePort } = service.spec;
      if (healthCheckNodePort) note(this.#ports, portKey({ nodePort: healthCheckNodePort }), owner, gives);
    }
  }

  #assignAddress(service: ServiceData, spec: ServiceSpec, before: ServiceSpec | undefined, owner: string): void {
    // An update that does not name it keeps the address that there was.
    if (!spec.clusterIP && before?.clusterIP && before.type !== "ExternalName") spec.clusterIP = before.clusterIP;
    if (!spec.clusterIP && spec.clusterIPs?.[0]) spec.clusterIP = spec.clusterIPs[0];
    if (!spec.clusterIP) spec.clusterIP = this.#freeAddress();
    else if (spec.clusterIP !== "None") this.#refuseTakenAddress(service, spec.clusterIP, owner);
    spec.clusterIPs = [spec.clusterIP];
    spec.ipFamilies ??= ["IPv4"];
    spec.ipFamilyPolicy ??= "SingleStack";
  }

  #freeAddress(): string {
    const offset = pickFree(1, this.#range.capacity, (candidate) => {
      const address = this.#range.at(candidate);
      return this.#addresses.has(address) || this.#reserved.has(address);
    }, this.#random);
    if (offset === undefined) throw internalError("failed to allocate a serviceIP: range is full");
    return this.#range.at(offset);
  }

  #refuseTakenAddress(service: ServiceData, address: string, owner: string): void {
    const holder = this.#addresses.get(address);
    if (holder === owner) return;
    const isKept = this.#reserved.has(address) && !isOfSystem(service);
    const because = holder !== undefined || isKept
      ? "provided IP is already allocated"
      : this.#range.offsetOf(address) === undefined
      ? `the provided IP (${address}) is not in the valid range. The range of valid IPs is ${this.#range.cidr}`
      : undefined;
    if (because === undefined) return;
    throw invalid({ group: "", kind: "Service" }, service.metadata.name, [{
      type: "FieldValueInvalid",
      field: "spec.clusterIPs",
      body: `Invalid value: ${JSON.stringify([address])}: failed to allocate IP ${address}: ${because}`,
    }]);
  }

  #assignPorts(service: ServiceData, spec: ServiceSpec, before: ServiceSpec | undefined, owner: string): void {
    const wantsPorts = spec.type === "NodePort" ||
      (spec.type === "LoadBalancer" && spec.allocateLoadBalancerNodePorts !== false);
    const chosen = new Set<string>();
    for (const [index, port] of (spec.ports ?? []).entries()) {
      if (!wantsPorts) {
        if (spec.type !== "LoadBalancer") delete port.nodePort;
        continue;
      }
      const same = before?.ports?.find((one) => one.port === port.port && protocolOf(one) === protocolOf(port));
      if (!port.nodePort && same?.nodePort) port.nodePort = same.nodePort;
      if (!port.nodePort) port.nodePort = this.#freePort(port, spec, chosen);
      else this.#refuseTakenPort(service, port, index, owner);
      chosen.add(portKey(port));
    }
    if (spec.type === "LoadBalancer" && spec.externalTrafficPolicy === "Local") {
      spec.healthCheckNodePort ??= before?.healthCheckNodePort ?? this.#freePort({}, spec, chosen);
    }
  }

  #freePort(port: PortData, spec: ServiceSpec, chosen: ReadonlySet<string>): number {
    // The same number for UDP and TCP of one port, as DNS wants it.
    const sibling = spec.ports?.find((one) => one !== port && one.port === port.port && one.nodePort);
    const isTaken = (nodePort: number) => {
      const key = portKey({ ...port, nodePort });
      return this.#ports.has(key) || chosen.has(key);
    };
    if (sibling?.nodePort && !isTaken(sibling.nodePort)) return sibling.nodePort;
    const free = pickFree(this.#nodePorts.from, this.#nodePorts.to, isTaken, this.#random);
    if (free === undefined) throw internalError("failed to allocate a nodePort: range is full");
    return free;
  }

  #refuseTakenPort(service: ServiceData, port: PortData, index: number, owner: string): void {
    const holder = this.#ports.get(portKey(port));
    const { from, to } = this.#nodePorts;
    const outside = port.nodePort! < from || port.nodePort! > to;
    if (!outside && (holder === undefined || holder === owner)) return;
    const because = outside
      ? `provided port is not in the valid range. The range of valid ports is ${from}-${to}`
      : "provided port is already allocated";
    throw invalid({ group: "", kind: "Service" }, service.metadata.name, [{
      type: "FieldValueInvalid",
      field: `spec.ports[${index}].nodePort`,
      body: `Invalid value: ${port.nodePort}: ${because}`,
    }]);
  }
}

function note(taken: Map<string, string>, what: string, owner: string, gives: boolean): void {
  if (!gives) taken.set(what, owner);
  else if (taken.get(what) === owner) taken.delete(what);
}

/** Whoever may make these may do everything; others must not get what all ask of the API or of DNS. */
function isOfSystem({ metadata: { namespace, name } }: ObjectData): boolean {
  return namespace === "kube-system" || (namespace === "default" && name === "kubernetes");
}

function keyOf({ metadata }: ObjectData): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function protocolOf({ protocol }: PortData): string {
  return protocol ?? "TCP";
}

function portKey(port: PortData): string {
  return `${protocolOf(port)}/${port.nodePort}`;
}
