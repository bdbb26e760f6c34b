import { ageOf } from "../time.ts";
import type { EndpointAddress, Endpoints, EndpointSubset } from "../types/mod.ts";
import { AGE_COLUMN, column, defineKind, NAME_COLUMN } from "./define.ts";
import { type FieldError, required } from "./field_error.ts";
import { equalSemantically } from "./semantics.ts";
import {
  validateDnsLabel,
  validateEndpointIP,
  validateIP,
  validatePortNumber,
  validateProtocol,
  validateQualifiedName,
} from "./values.ts";
import { validateNodeName } from "./names_of_others.ts";

/** Addresses that a row shows before it counts the rest. */
const SHOWN_MAX = 3;

export const endpoints = defineKind<Endpoints>({
  resource: "endpoints",
  type: "v1.Endpoints",
  namespaced: true,
  allowsCreateOnUpdate: true,
  defaults(object) {
    for (const subset of object.subsets ?? []) for (const port of subset.ports ?? []) port.protocol ||= "TCP";
  },
  validate(object, old) {
    const errors = (object.subsets ?? []).flatMap((subset, index) => validateSubset(subset, `subsets[${index}]`));
    // What was allowed once may stay as it is.
    return old !== undefined && equalSemantically(object.subsets, old.subsets) ? [] : errors;
  },
  columns: [NAME_COLUMN, column("Endpoints", "Addresses and ports that are ready."), AGE_COLUMN],
  row: ({ metadata, subsets }, now) => [
    metadata.name,
    showAddresses(subsets ?? []),
    ageOf(metadata.creationTimestamp, now),
  ],
});

function validateSubset(subset: EndpointSubset, path: string): FieldError[] {
  const { addresses = [], notReadyAddresses = [], ports = [] } = subset;
  const errors: FieldError[] = [];
  if (addresses.length + notReadyAddresses.length === 0) {
    errors.push(required(path, "must specify `addresses` or `notReadyAddresses`"));
  }
  addresses.forEach((address, i) => errors.push(...validateAddress(address, `${path}.addresses[${i}]`)));
  notReadyAddresses.forEach((address, i) =>
    errors.push(...validateAddress(address, `${path}.notReadyAddresses[${i}]`))
  );
  for (const [i, port] of ports.entries()) {
    const at = `${path}.ports[${i}]`;
    if (port.name) errors.push(...validateDnsLabel(port.name, `${at}.name`));
    else if (ports.length > 1) errors.push(required(`${at}.name`));
    errors.push(
      ...validatePortNumber(port.port ?? 0, `${at}.port`),
      ...validateProtocol(port.protocol, `${at}.protocol`),
    );
    if (port.appProtocol !== undefined) errors.push(...validateQualifiedName(port.appProtocol, `${at}.appProtocol`));
  }
  return errors;
}

function validateAddress(address: EndpointAddress, path: string): FieldError[] {
  return [
    ...validateIP(address.ip ?? "", `${path}.ip`),
    ...address.hostname ? validateDnsLabel(address.hostname, `${path}.hostname`) : [],
    ...address.nodeName !== undefined ? validateNodeName(address.nodeName, `${path}.nodeName`) : [],
    ...validateEndpointIP(address.ip ?? "", `${path}.ip`),
  ];
}

function showAddresses(subsets: readonly EndpointSubset[]): string {
  if (subsets.length === 0) return "<none>";
  const all = subsets.flatMap(({ addresses = [], ports = [] }) =>
    ports.length === 0
      ? addresses.map(({ ip = "" }) => ip)
      : ports.flatMap(({ port = 0 }) =>
        addresses.map(({ ip = "" }) => ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`)
      )
  );
  const shown = all.slice(0, SHOWN_MAX).join(",");
  return all.length > SHOWN_MAX ? `${shown} + ${all.length - SHOWN_MAX} more...` : shown;
}
