/** What must hold of a Service, and what of it may change. */
import { dnsSubdomainProblems } from "../names.ts";
import type { Service, ServicePort } from "../types/mod.ts";
import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from "./field_error.ts";
import { validateLabels } from "./labels.ts";
import { isHeadless } from "./service_allocation.ts";
import {
  isIP,
  isIPv6,
  validateCidr,
  validateDnsLabel,
  validateEndpointIP,
  validateIP,
  validateOneOf,
  validatePort,
  validatePortNumber,
  validateProtocol,
  validateQualifiedName,
} from "./values.ts";

type Spec = NonNullable<Service["spec"]>;

const TYPES = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const FAMILIES = ["IPv4", "IPv6"];
const FAMILY_POLICIES = ["PreferDualStack", "RequireDualStack", "SingleStack"];
const POLICIES = ["Cluster", "Local"];
const AFFINITY_SECONDS_MAX = 86_400;
const ONLY_LOAD_BALANCER = "may only be used when `type` is 'LoadBalancer'";

export function validateService({ spec = {} }: Service): FieldError[] {
  return [
    ...validateType(spec),
    ...validatePorts(spec),
    ...validateLabels(spec.selector, "spec.selector"),
    ...validateAffinity(spec),
    ...validateAddresses(spec),
    ...validateExternalIPs(spec),
    ...validateLoadBalancer(spec),
    ...validateTraffic(spec),
  ];
}

function validateType(spec: Spec): FieldError[] {
  const errors: FieldError[] = [];
  const type = spec.type ?? "";
  if (type === "") errors.push(required("spec.type"));
  else errors.push(...validateOneOf(type, TYPES, "spec.type"));
  if (!spec.ports?.length && !isHeadless(spec) && type !== "ExternalName") errors.push(required("spec.ports"));
  if ((type === "LoadBalancer" || type === "NodePort") && isHeadless(spec)) {
    errors.push(invalid("spec.clusterIPs[0]", "None", `may not be set to 'None' for ${type} services`));
  }
  if (type !== "ExternalName") return errors;
  const unused = "may not be set for ExternalName services";
  if (spec.clusterIPs?.length) errors.push(forbidden("spec.clusterIPs", unused));
  if (spec.ipFamilies?.length) errors.push(forbidden("spec.ipFamilies", unused));
  if (spec.ipFamilyPolicy !== undefined) errors.push(forbidden("spec.ipFamilyPolicy", unused));
  const name = (spec.externalName ?? "").replace(/\.$/, "");
  if (name === "") errors.push(required("spec.externalName"));
  for (const problem of name === "" ? [] : dnsSubdomainProblems(name)) {
    errors.push(invalid("spec.externalName", name, problem));
  }
  return errors;
}

function validatePorts(spec: Spec): FieldError[] {
  const ports = spec.ports ?? [];
  const names = new Set<string>();
  const numbers = new Set<string>();
  const nodePorts = new Set<string>();
  return ports.flatMap((port, index) => {
    const path = `spec.ports[${index}]`;
    const errors = validateServicePort(port, ports.length > 1, names, path);
    if (port.nodePort && spec.type === "ClusterIP") {
      errors.push(forbidden(`${path}.nodePort`, "may not be used when `type` is 'ClusterIP'"));
    }
    if (port.nodePort && !add(nodePorts, `${port.protocol} ${port.nodePort}`)) {
      errors.push(duplicate(`${path}.nodePort`, port.nodePort));
    }
    if (!add(numbers, `${port.protocol} ${port.port}`)) {
      errors.push(duplicate(path, {
        Name: "",
        Protocol: port.protocol,
        AppProtocol: null,
        Port: port.port,
        TargetPort: 0,
        NodePort: 0,
      }));
    }
    return errors;
  });
}

function validateServicePort(port: ServicePort, needsName: boolean, names: Set<string>, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (port.name) {
    errors.push(...validateDnsLabel(port.name, `${path}.name`));
    if (!add(names, port.name)) errors.push(duplicate(`${path}.name`, port.name));
  } else if (needsName) errors.push(required(`${path}.name`));
  errors.push(
    ...validatePortNumber(port.port ?? 0, `${path}.port`),
    ...validateProtocol(port.protocol, `${path}.protocol`),
    ...validatePort(port.targetPort ?? 0, `${path}.targetPort`),
  );
  if (port.appProtocol !== undefined) errors.push(...validateQualifiedName(port.appProtocol, `${path}.appProtocol`));
  return errors;
}

function validateAffinity(spec: Spec): FieldError[] {
  const { sessionAffinity = "", sessionAffinityConfig: config } = spec;
  const path = "spec.sessionAffinityConfig";
  if (sessionAffinity === "") return [required("spec.sessionAffinity")];
  if (sessionAffinity === "None") {
    return config === undefined ? [] : [forbidden(path, "must not be set when session affinity is None")];
  }
  if (sessionAffinity !== "ClientIP") {
    return [notSupported("spec.sessionAffinity", sessionAffinity, ["ClientIP", "None"])];
  }
  const seconds = config?.clientIP?.timeoutSeconds;
  const at = `${path}.clientIP.timeoutSeconds`;
  if (seconds === undefined) return [required(at, "when session affinity type is ClientIP")];
  return seconds > 0 && seconds <= AFFINITY_SECONDS_MAX
    ? []
    : [invalid(at, seconds, `must be greater than 0 and less than ${AFFINITY_SECONDS_MAX}`)];
}

function validateAddresses(spec: Spec): FieldError[] {
  if (spec.type === "ExternalName") return [];
  const path = "spec.clusterIPs";
  const { clusterIP = "", clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec;
  const errors: FieldError[] = [];
  if (clusterIP !== "" && clusterIPs.length === 0) errors.push(required(path));
  else if (clusterIP !== "" && clusterIPs[0] !== clusterIP) {
    errors.push(invalid(path, clusterIPs, "first value must match `clusterIP`"));
  } else if (clusterIP === "" && clusterIPs.length > 0) {
    errors.push(invalid(path, clusterIPs, "must be empty when `clusterIP` is not specified"));
  }
  const families = new Set<string>();
  for (const [index, family] of ipFamilies.entries()) {
    errors.push(...validateOneOf(family, FAMILIES, `spec.ipFamilies[${index}]`));
    if (!add(families, family)) errors.push(duplicate(`spec.ipFamilies[${index}]`, family));
  }
  if (ipFamilyPolicy !== undefined) {
    errors.push(...validateOneOf(ipFamilyPolicy, FAMILY_POLICIES, "spec.ipFamilyPolicy"));
  }
  if (clusterIPs[0] === "None" && clusterIPs.length > 1) {
    errors.push(invalid(path, clusterIPs, "'None' must be the first and only value"));
  }
  const addresses = clusterIPs.map((ip, index) => ({ ip, at: `${path}[${index}]`, index }));
  const malformed = addresses.filter(({ ip, index }) => !(index === 0 && ip === "None"))
    .flatMap(({ ip, at }) => validateIP(ip, at));
  if (malformed.length > 0) return [...errors, ...malformed];
  if (clusterIPs.length > 2) errors.push(invalid(path, clusterIPs, "may only hold up to 2 values"));
  if (clusterIPs.length > 1 && new Set(clusterIPs.map(isIPv6)).size < 2) {
    errors.push(invalid(path, clusterIPs, "may specify no more than one IP for each IP family"));
  }
  if (isHeadless(spec)) return errors;
  for (const { ip, at, index } of addresses) {
    const family = ipFamilies[index];
    if ((family === "IPv4" && isIPv6(ip)) || (family === "IPv6" && !isIPv6(ip))) {
      errors.push(invalid(at, ip, `expected an ${family} value as indicated by \`ipFamilies[${index}]\``));
    }
  }
  return errors;
}

function validateExternalIPs(spec: Spec): FieldError[] {
  return (spec.externalIPs ?? []).flatMap((ip, index) => {
    const path = `spec.externalIPs[${index}]`;
    return isIP(ip) ? validateEndpointIP(ip, path) : validateIP(ip, path);
  });
}

function validateLoadBalancer(spec: Spec): FieldError[] {
  const isBalanced = spec.type === "LoadBalancer";
  const errors: FieldError[] = [];
  const ranges = spec.loadBalancerSourceRanges ?? [];
  const path = "spec.LoadBalancerSourceRanges";
  if (ranges.length > 0 && !isBalanced) errors.push(forbidden(path, ONLY_LOAD_BALANCER));
  ranges.forEach((range, index) => errors.push(...validateCidr(range.trim(), `${path}[${index}]`)));
  if (!isBalanced && spec.allocateLoadBalancerNodePorts !== undefined) {
    errors.push(forbidden("spec.allocateLoadBalancerNodePorts", ONLY_LOAD_BALANCER));
  }
  if (spec.loadBalancerClass !== undefined) {
    const at = "spec.loadBalancerClass";
    errors.push(
      ...isBalanced ? validateQualifiedName(spec.loadBalancerClass, at) : [forbidden(at, ONLY_LOAD_BALANCER)],
    );
  }
  return errors;
}

function validateTraffic(spec: Spec): FieldError[] {
  const errors: FieldError[] = [];
  const { type, externalTrafficPolicy: external = "", internalTrafficPolicy: internal, healthCheckNodePort = 0 } = spec;
  const isExternal = type === "LoadBalancer" || type === "NodePort" ||
    (type === "ClusterIP" && (spec.externalIPs?.length ?? 0) > 0);
  const path = "spec.externalTrafficPolicy";
  if (!isExternal && external !== "") {
    errors.push(invalid(path, external, "may only be set for externally-accessible services"));
  } else if (isExternal) errors.push(...external === "" ? [required(path)] : validateOneOf(external, POLICIES, path));
  const needsCheck = type === "LoadBalancer" && external === "Local";
  const at = "spec.healthCheckNodePort";
  // Where it is needed and not given, the registry gives one out after this.
  if (!needsCheck && healthCheckNodePort !== 0) {
    const detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    errors.push(invalid(at, healthCheckNodePort, detail));
  } else if (needsCheck && healthCheckNodePort !== 0) errors.push(...validatePortNumber(healthCheckNodePort, at));
  if (internal === undefined) {
    if (type && type !== "ExternalName") errors.push(required("spec.internalTrafficPolicy"));
  } else errors.push(...validateOneOf(internal, POLICIES, "spec.internalTrafficPolicy"));
  const distribution = spec.trafficDistribution;
  if (distribution !== undefined) {
    const known = ["PreferClose", "PreferSameZone", "PreferSameNode"];
    if (!known.includes(distribution)) errors.push(notSupported("spec.trafficDistribution", distribution, known));
  }
  return errors;
}

const FIXED = "may not change once set";

export function validateServiceChange(next: Service, old: Service): FieldError[] {
  const to = next.spec ?? {};
  const from = old.spec ?? {};
  const errors: FieldError[] = [];
  if (to.type !== "ExternalName" && from.type !== "ExternalName" && !(isHeadless(to) && isHeadless(from))) {
    errors.push(...validateListChange("clusterIPs", "clusterIP", to, from));
    if (isHeadless(to) === isHeadless(from)) errors.push(...validateListChange("ipFamilies", "ipFamily", to, from));
  }
  if (to.type === "LoadBalancer" && from.type === "LoadBalancer" && to.loadBalancerClass !== from.loadBalancerClass) {
    errors.push(invalid("spec.loadBalancerClass", to.loadBalancerClass, FIXED));
  }
  const checked = (spec: Spec) => spec.type === "LoadBalancer" && spec.externalTrafficPolicy === "Local";
  if (checked(to) && checked(from) && to.healthCheckNodePort !== from.healthCheckNodePort) {
    errors.push(forbidden("spec.healthCheckNodePort", "field is immutable"));
  }
  return errors;
}

/** The first of the list stays; a second may come, and go when the policy says so. */
function validateListChange(field: "clusterIPs" | "ipFamilies", what: string, to: Spec, from: Spec): FieldError[] {
  const after: readonly string[] = to[field] ?? [];
  const before: readonly string[] = from[field] ?? [];
  const path = `spec.${field}`;
  if (before.length > 0 && after.length === 0) {
    return [invalid(`${path}[0]`, after, `primary ${what} can not be unset`)];
  }
  const errors = before.flatMap((value, index) =>
    after[index] !== undefined && after[index] !== value && (index === 0 || before.length === after.length)
      ? [invalid(`${path}[${field === "ipFamilies" ? 0 : index}]`, after, FIXED)]
      : []
  );
  if (before.length > after.length && after.length === 1 && to.ipFamilyPolicy !== "SingleStack") {
    const detail = `must be set to 'SingleStack' when releasing the secondary ${what}`;
    errors.push(invalid("spec.ipFamilyPolicy", to.ipFamilyPolicy, detail));
  }
  return errors;
}

export function validateServiceStatus({ status, spec }: Service): FieldError[] {
  const path = "status.loadBalancer.ingress";
  const ingress = status?.loadBalancer?.ingress ?? [];
  if (spec?.type !== "LoadBalancer" && ingress.length > 0) {
    return [forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")];
  }
  return ingress.flatMap(({ ip = "", ipMode, hostname = "" }, index) => {
    const at = `${path}[${index}]`;
    const errors = ip === "" ? [] : validateIP(ip, `${at}.ip`);
    if (ipMode === undefined && ip !== "") errors.push(required(`${at}.ipMode`, "must be specified when `ip` is set"));
    else if (ipMode !== undefined && ip === "") {
      errors.push(forbidden(`${at}.ipMode`, "may not be specified when `ip` is not set"));
    } else if (ipMode !== undefined) errors.push(...validateOneOf(ipMode, ["Proxy", "VIP"], `${at}.ipMode`));
    if (hostname === "") return errors;
    for (const problem of dnsSubdomainProblems(hostname)) errors.push(invalid(`${at}.hostname`, hostname, problem));
    if (isIP(hostname)) errors.push(invalid(`${at}.hostname`, hostname, "must be a DNS name, not an IP address"));
    return errors;
  });
}

/** Whether it was not there before. */
function add(set: Set<string>, value: string): boolean {
  return set.size < set.add(value).size;
}
