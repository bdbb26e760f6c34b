import { isIPv4 } from "../ipv4.ts";
import { dnsLabelProblems, dnsSubdomainProblems, labelValueProblems } from "../names.ts";
import { ageOf } from "../time.ts";
import type { Endpoint, EndpointSlice } from "../types/mod.ts";
import { AGE_COLUMN, column, defineKind, NAME_COLUMN } from "./define.ts";
import { duplicate, type FieldError, invalid, required, tooMany } from "./field_error.ts";
import { validateLabels } from "./labels.ts";
import { immutable } from "./metadata.ts";
import { validateNodeName } from "./names_of_others.ts";
import { equalSemantically } from "./semantics.ts";
import {
  isIPv6,
  validateDnsLabel,
  validateEndpointIP,
  validateIP,
  validateOneOf,
  validateProtocol,
  validateQualifiedName,
} from "./values.ts";

const ADDRESS_TYPES = ["FQDN", "IPv4", "IPv6"];
const ENDPOINTS_MAX = 1000;
const ADDRESSES_MAX = 100;
const PORTS_MAX = 20_000;
const TOPOLOGY_MAX = 16;
const HINTS_MAX = 8;
/** Ports or addresses that a row shows before it counts the rest. */
const SHOWN_MAX = 3;

export const endpointSlice = defineKind<EndpointSlice>({
  resource: "endpointslices.discovery.k8s.io",
  type: "discovery.k8s.io/v1.EndpointSlice",
  namespaced: true,
  bumpsGeneration: true,
  generationOf: ({ addressType, endpoints, ports }) => ({ addressType, endpoints, ports }),
  defaults(object) {
    for (const port of object.ports ?? []) {
      port.name ??= "";
      port.protocol ??= "TCP";
    }
  },
  validate(object, old) {
    const errors = object.addressType
      ? validateOneOf(object.addressType, ADDRESS_TYPES, "addressType")
      : [required("addressType")];
    errors.push(...validatePorts(object));
    if (old === undefined || !equalSemantically(object.endpoints, old.endpoints)) {
      errors.push(...validateEndpoints(object));
    }
    return errors;
  },
  validateChange: (next, old) => immutable("addressType", next.addressType, old.addressType),
  columns: [
    NAME_COLUMN,
    column("AddressType", "What its addresses are."),
    column("Ports", "Ports that its endpoints serve."),
    column("Endpoints", "Addresses of its endpoints."),
    AGE_COLUMN,
  ],
  row: ({ metadata, addressType, ports, endpoints }, now) => [
    metadata.name,
    addressType ?? "",
    show((ports ?? []).map(({ port, name }) => port !== undefined ? String(port) : name ?? "*")),
    show((endpoints ?? []).flatMap(({ addresses }) => addresses ?? [])),
    ageOf(metadata.creationTimestamp, now),
  ],
});

function validatePorts({ ports = [] }: EndpointSlice): FieldError[] {
  if (ports.length > PORTS_MAX) return [tooMany("ports", ports.length, PORTS_MAX)];
  const names = new Set<string>();
  return ports.flatMap((port, index) => {
    const path = `ports[${index}]`;
    const name = port.name ?? "";
    const errors = name === "" ? [] : validateDnsLabel(name, `${path}.name`);
    if (names.has(name)) errors.push(duplicate(`${path}.name`, name));
    names.add(name);
    errors.push(...validateProtocol(port.protocol, `${path}.protocol`));
    if (port.appProtocol !== undefined) errors.push(...validateQualifiedName(port.appProtocol, `${path}.appProtocol`));
    return errors;
  });
}

function validateEndpoints({ endpoints, addressType }: EndpointSlice): FieldError[] {
  const list = endpoints ?? [];
  if (list.length > ENDPOINTS_MAX) return [tooMany("endpoints", list.length, ENDPOINTS_MAX)];
  return list.flatMap((endpoint, index) => validateEndpoint(endpoint, addressType, `endpoints[${index}]`));
}

function validateEndpoint(endpoint: Endpoint, addressType: string, path: string): FieldError[] {
  const addresses = endpoint.addresses ?? [];
  const errors: FieldError[] = [];
  if (addresses.length === 0) errors.push(required(`${path}.addresses`, "must contain at least 1 address"));
  if (addresses.length > ADDRESSES_MAX) errors.push(tooMany(`${path}.addresses`, addresses.length, ADDRESSES_MAX));
  addresses.forEach((address, i) => errors.push(...validateAddress(address, addressType, `${path}.addresses`, i)));
  if (endpoint.nodeName !== undefined) errors.push(...validateNodeName(endpoint.nodeName, `${path}.nodeName`));
  const topology = Object.keys(endpoint.deprecatedTopology ?? {}).length;
  if (topology > TOPOLOGY_MAX) errors.push(tooMany(`${path}.deprecatedTopology`, topology, TOPOLOGY_MAX));
  errors.push(...validateLabels(endpoint.deprecatedTopology, `${path}.deprecatedTopology`));
  if (endpoint.hostname !== undefined) errors.push(...validateDnsLabel(endpoint.hostname, `${path}.hostname`));
  const { forZones = [], forNodes = [] } = endpoint.hints ?? {};
  return [
    ...errors,
    ...validateHints(forZones, `${path}.hints.forZones`, labelValueProblems),
    ...validateHints(forNodes, `${path}.hints.forNodes`, dnsSubdomainProblems),
  ];
}

function validateAddress(address: string, addressType: string, list: string, index: number): FieldError[] {
  const path = `${list}[${index}]`;
  if (addressType === "FQDN") return validateFullyQualified(address, path);
  if (addressType !== "IPv4" && addressType !== "IPv6") return [];
  const errors = validateIP(address, path);
  if (errors.length > 0) return errors;
  const fits = addressType === "IPv4" ? isIPv4(address) : isIPv6(address);
  const family = fits ? [] : [invalid(list, address, `must be an ${addressType} address`)];
  return [...family, ...validateEndpointIP(address, path)];
}

function validateFullyQualified(name: string, path: string): FieldError[] {
  if (name === "") return [required(path)];
  const bare = name.endsWith(".") ? name.slice(0, -1) : name;
  const problems = dnsSubdomainProblems(bare);
  if (problems.length > 0) return [invalid(path, bare, problems.join(","))];
  const labels = bare.split(".");
  if (labels.length < 2) {
    return [invalid(path, bare, "should be a domain with at least two segments separated by dots")];
  }
  const bad = labels.find((label) => dnsLabelProblems(label).length > 0);
  return bad === undefined ? [] : [invalid(path, bad, dnsLabelProblems(bad).join(","))];
}

function validateHints(
  hints: readonly { name: string }[],
  path: string,
  problemsOf: (name: string) => string[],
): FieldError[] {
  if (hints.length > HINTS_MAX) return [tooMany(path, hints.length, HINTS_MAX)];
  const names = new Set<string>();
  return hints.flatMap(({ name }, index) => {
    const at = `${path}[${index}].name`;
    const errors = names.has(name) ? [duplicate(at, name)] : [];
    names.add(name);
    return [...errors, ...problemsOf(name).map((problem) => invalid(at, name, problem))];
  });
}

function show(items: readonly string[]): string {
  const shown = items.slice(0, SHOWN_MAX).join(",");
  if (shown === "") return "<unset>";
  return items.length > SHOWN_MAX ? `${shown} + ${items.length - SHOWN_MAX} more...` : shown;
}
