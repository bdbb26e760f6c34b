/** Why a pod cannot run on a node: each filter is one reason (docs: "Kubernetes Scheduler", "Taints and Tolerations"). */
import type { Node, Pod } from "@k3ts/model/objects";
import { conflicts, type HostPort, hostPortsOf } from "./host_ports.ts";
import { matchesNode, tolerates, untolerated } from "./node_affinity.ts";
import { type Amounts, requestsOf } from "./resources.ts";

export { toleratesTaint } from "./node_affinity.ts";

/** A node with what its pods already ask of it. */
export interface NodeLoad {
  node: Node;
  allocatable: Amounts;
  requested: Amounts;
  pods: number;
  hostPorts: readonly HostPort[];
}

/** @returns what stands against it, as people read it in a pod's events; nothing when it fits */
export type Filter = (pod: Pod, load: NodeLoad) => string[];

export const FILTERS: readonly Filter[] = [
  nodeName,
  unschedulable,
  ready,
  taints,
  affinity,
  ports,
  fits,
];

function nodeName(pod: Pod, { node }: NodeLoad): string[] {
  const wanted = pod.spec?.nodeName;
  return wanted === undefined || wanted === "" || wanted === node.metadata.name
    ? []
    : ["node(s) didn't match the requested node name"];
}

function unschedulable(pod: Pod, { node }: NodeLoad): string[] {
  const taint = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" as const };
  return node.spec?.unschedulable === true && !tolerates(pod.spec.tolerations, taint)
    ? ["node(s) were unschedulable"]
    : [];
}

/** A node that is not ready counts as tainted, whether or not somebody has tainted it. */
function ready(pod: Pod, { node }: NodeLoad): string[] {
  const condition = node.status?.conditions?.find(({ type }) => type === "Ready");
  const key = condition?.status === "Unknown" ? "node.kubernetes.io/unreachable" : "node.kubernetes.io/not-ready";
  if (condition?.status === "True" || tolerates(pod.spec.tolerations, { key, effect: "NoSchedule" })) return [];
  return [`node(s) had untolerated taint {${key}: }`];
}

function ports(pod: Pod, { hostPorts }: NodeLoad): string[] {
  const isTaken = hostPortsOf(pod).some((wanted) => hostPorts.some((used) => conflicts(wanted, used)));
  return isTaken ? ["node(s) didn't have free ports for the requested pod ports"] : [];
}

function taints({ spec }: Pod, { node }: NodeLoad): string[] {
  const taint = untolerated(spec, node);
  return taint === undefined ? [] : [`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ""}}`];
}

function affinity({ spec }: Pod, { node }: NodeLoad): string[] {
  return matchesNode(spec, node) ? [] : ["node(s) didn't match Pod's node affinity/selector"];
}

function fits(pod: Pod, { allocatable, requested, pods }: NodeLoad): string[] {
  const reasons = Object.entries(requestsOf(pod))
    .filter(([name, amount]) => amount > 0 && amount > (allocatable[name] ?? 0) - (requested[name] ?? 0))
    .map(([name]) => `Insufficient ${name}`);
  if (allocatable["pods"] !== undefined && pods + 1 > allocatable["pods"]) reasons.push("Too many pods");
  return reasons;
}
