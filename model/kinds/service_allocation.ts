/**
 * Addresses and ports of a Service that the server gives out: kept for clients that do not know of them, given back
 * when the Service's type has no use for them. Giving them out is the registry's.
 */
import { equalJson } from "../json.ts";
import type { Service } from "../types/mod.ts";

type Spec = NonNullable<Service["spec"]>;

const needsClusterIP = ({ type }: Spec) => type !== "ExternalName";
const needsNodePort = ({ type }: Spec) => type === "NodePort" || type === "LoadBalancer";
const needsHealthCheckPort = (spec: Spec) => spec.type === "LoadBalancer" && spec.externalTrafficPolicy === "Local";

/** A Service without selector or address of its own: DNS gives its endpoints. */
export function isHeadless(spec: Spec): boolean {
  return spec.clusterIPs?.length === 1 && spec.clusterIPs[0] === "None";
}

/** Takes over what the old one was given and the new one does not mention. */
export function keepAllocated(next: Service, old: Service): void {
  const to = next.spec ?? {};
  const from = old.spec ?? {};
  if (needsClusterIP(from) && needsClusterIP(to)) {
    if (!to.clusterIP && from.clusterIP) to.clusterIP = from.clusterIP;
    if (!to.clusterIPs?.length && from.clusterIPs?.length) to.clusterIPs = from.clusterIPs;
  }
  if (needsNodePort(from) && needsNodePort(to)) keepNodePorts(to, from);
  if (needsHealthCheckPort(from) && needsHealthCheckPort(to) && !to.healthCheckNodePort) {
    if (from.healthCheckNodePort) to.healthCheckNodePort = from.healthCheckNodePort;
  }
  // A client that knows clusterIP only may change it; the list then follows.
  if (from.clusterIP !== to.clusterIP && equalJson(from.clusterIPs, to.clusterIPs)) {
    if (to.clusterIP) to.clusterIPs = [to.clusterIP];
    else delete to.clusterIPs;
  }
}

function keepNodePorts(to: Spec, from: Spec): void {
  const used = (spec: Spec) => new Set((spec.ports ?? []).map(({ nodePort }) => nodePort ?? 0));
  const both = [...used(from)].filter((port) => used(to).has(port));
  const byName = new Map((from.ports ?? []).map(({ name = "", nodePort }) => [name, nodePort]));
  for (const port of to.ports ?? []) {
    const before = byName.get(port.name ?? "");
    if (!port.nodePort && before && !both.includes(before)) port.nodePort = before;
  }
}

/** Gives back what only the old type had, unless the client names it anew. */
export function dropWhatTheTypeLost(next: Service, old: Service): void {
  const to = next.spec ?? {};
  const from = old.spec ?? {};
  const drop = (...fields: (keyof Spec)[]) => {
    for (const field of fields) if (equalJson(to[field], from[field])) delete to[field];
  };
  if (needsClusterIP(from) && !needsClusterIP(to)) drop("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy");
  const nodePorts = (spec: Spec) => (spec.ports ?? []).map(({ nodePort }) => nodePort);
  if (needsNodePort(from) && !needsNodePort(to) && equalJson(nodePorts(to), nodePorts(from))) {
    for (const port of to.ports ?? []) delete port.nodePort;
  }
  if (needsHealthCheckPort(from) && !needsHealthCheckPort(to)) drop("healthCheckNodePort");
  if (from.type === "LoadBalancer" && to.type !== "LoadBalancer") {
    drop("allocateLoadBalancerNodePorts", "loadBalancerClass");
  }
  const isExternal = (spec: Spec) => needsNodePort(spec) || (spec.externalIPs?.length ?? 0) > 0;
  if (isExternal(from) && !isExternal(to)) drop("externalTrafficPolicy");
  if (to.type !== "LoadBalancer" && next.status !== undefined) next.status = { ...next.status, loadBalancer: {} };
}

/** Families of addresses, in a cluster that has IPv4 only. */
export function giveFamilies(next: Service, old?: Service): void {
  const { spec } = next;
  if (spec === undefined || !needsClusterIP(spec)) return;
  const floats = spec.clusterIP === "None" && Object.keys(spec.selector ?? {}).length === 0;
  // Endpoints that somebody else writes may be of any family.
  spec.ipFamilyPolicy ??= old?.spec?.ipFamilyPolicy ?? (floats ? "RequireDualStack" : "SingleStack");
  if (!spec.ipFamilies?.length) spec.ipFamilies = ["IPv4"];
  if (floats && spec.ipFamilyPolicy !== "SingleStack" && spec.ipFamilies.length === 1) {
    spec.ipFamilies = spec.ipFamilies[0] === "IPv4" ? ["IPv4", "IPv6"] : ["IPv6", "IPv4"];
  }
}
