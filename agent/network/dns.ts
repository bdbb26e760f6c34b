/**
 * Plans what cluster DNS answers, as one snapshot.
 *
 * Pure. Names follow "Kubernetes DNS-Based Service Discovery" 1.1.0: Services, headless Services with their
 * endpoints, named ports (SRV), external names, pods by address, and the way back (PTR).
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type EndpointSlice, isIPv4, type Service } from "@k3ts/model/objects";
import { type DnsNameSchema, type DnsSnapshot, DnsSnapshotSchema, type DnsSrvSchema } from "@k3ts/proto";
import { isReadyEndpoint, serviceKey, slicesByService } from "./endpoints.ts";

export interface DnsInput {
  services: readonly Service[];
  slices: readonly EndpointSlice[];
  /** Pods that have an address. */
  pods: readonly { namespace: string; address: string }[];
  domain: string;
  /** Resolvers for everything else: addresses with ports. */
  upstreams: readonly string[];
  version: string;
}

type Name = MessageInitShape<typeof DnsNameSchema>;
type Srv = MessageInitShape<typeof DnsSrvSchema>;
/** Of SRV records, as CoreDNS has them. */
const PRIORITY = 0;
const WEIGHT = 100;

export function planDns(input: DnsInput): DnsSnapshot {
  const names = new Names();
  const slices = slicesByService(input.slices);
  for (const service of input.services) {
    const mine = slices.get(serviceKey(service)) ?? [];
    const base = `${service.metadata.name}.${service.metadata.namespace ?? "default"}.svc.${input.domain}`;
    if (service.spec?.type === "ExternalName") names.alias(base, service.spec.externalName ?? "");
    else if (service.spec?.clusterIP === "None") addHeadless(names, service, mine, base);
    else addService(names, service, base);
  }
  for (const { namespace, address } of input.pods.filter((pod) => isIPv4(pod.address))) {
    names.address(`${address.replaceAll(".", "-")}.${namespace}.pod.${input.domain}`, address);
  }
  return create(DnsSnapshotSchema, {
    version: input.version,
    clusterDomain: input.domain,
    names: names.list(),
    upstreams: [...input.upstreams],
  });
}

function addService(names: Names, service: Service, base: string): void {
  const address = service.spec?.clusterIP;
  if (address === undefined || !isIPv4(address)) return;
  names.address(base, address);
  names.pointer(address, base);
  for (const port of service.spec?.ports ?? []) {
    if (port.name) names.service(portName(port.name, port.protocol, base), srv(port.port, base));
  }
}

/** Each endpoint has a name of its own below the Service's: its host name, or its address with dashes. */
function addHeadless(names: Names, service: Service, slices: readonly EndpointSlice[], base: string): void {
  const evenUnready = service.spec?.publishNotReadyAddresses === true;
  for (const slice of slices) {
    for (const endpoint of slice.endpoints ?? []) {
      if (!evenUnready && !isReadyEndpoint(endpoint)) continue;
      for (const address of endpoint.addresses.filter(isIPv4)) {
        const own = `${endpoint.hostname ?? address.replaceAll(".", "-")}.${base}`;
        names.address(base, address);
        names.address(own, address);
        if (endpoint.hostname !== undefined) names.pointer(address, own);
        for (const port of slice.ports ?? []) {
          if (port.name && port.port !== undefined) {
            names.service(portName(port.name, port.protocol, base), srv(port.port, own));
          }
        }
      }
    }
  }
}

function portName(port: string, protocol: string | undefined, base: string): string {
  return `_${port}._${(protocol ?? "TCP").toLowerCase()}.${base}`;
}

function srv(port: number, target: string): Srv {
  return { priority: PRIORITY, weight: WEIGHT, port, target };
}

/** Records by name, each once. */
class Names {
  readonly #names = new Map<
    string,
    { addresses: Set<string>; pointers: Set<string>; services: Map<string, Srv>; alias: string }
  >();

  #at(name: string) {
    const key = name.toLowerCase();
    let found = this.#names.get(key);
    if (found === undefined) {
      found = { addresses: new Set(), pointers: new Set(), services: new Map(), alias: "" };
      this.#names.set(key, found);
    }
    return found;
  }

  address(name: string, address: string): void {
    this.#at(name).addresses.add(address);
  }

  alias(name: string, target: string): void {
    this.#at(name).alias = target.toLowerCase().replace(/\.$/, "");
  }

  service(name: string, record: Srv): void {
    this.#at(name).services.set(`${record.target}:${record.port}`, record);
  }

  pointer(address: string, name: string): void {
    this.#at(`${address.split(".").reverse().join(".")}.in-addr.arpa`).pointers.add(name);
  }

  /** Sorted, so that equal input gives an equal snapshot. */
  list(): Name[] {
    return [...this.#names].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, records]) => ({
      name,
      addresses: [...records.addresses].sort(),
      services: [...records.services].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, record]) => record),
      canonicalName: records.alias,
      pointers: [...records.pointers].sort(),
    }));
  }
}
