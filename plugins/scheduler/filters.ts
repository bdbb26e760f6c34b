/** Why a pod cannot run on a node: each filter is one reason (docs: "Kubernetes Scheduler", "Taints and Tolerations"). */
import { type Node, type NodeSelectorTerm, type Pod, type Taint, type Toleration } from "@k3ts/model/objects";
import { conflicts, type HostPort, hostPortsOf } from "./host_ports.ts";
import { type Amounts, requestsOf } from "./resources.ts";

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
  nodeSelector,
  nodeAffinity,
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
  return node.spec?.unschedulable === true && !tolerates(pod, taint) ? ["node(s) were unschedulable"] : [];
}

/** A node that is not ready counts as tainted, whether or not somebody has tainted it. */
function ready(pod: Pod, { node }: NodeLoad): string[] {
  const condition = node.status?.conditions?.find(({ type }) => type === "Ready");
  const key = condition?.status === "Unknown" ? "node.kubernetes.io/unreachable" : "node.kubernetes.io/not-ready";
  if (condition?.status === "True" || tolerates(pod, { key, effect: "NoSchedule" })) return [];
  return [`node(s) had untolerated taint {${key}: }`];
}

function ports(pod: Pod, { hostPorts }: NodeLoad): string[] {
  const isTaken = hostPortsOf(pod).some((wanted) => hostPorts.some((used) => conflicts(wanted, used)));
  return isTaken ? ["node(s) didn't have free ports for the requested pod ports"] : [];
}

function taints(pod: Pod, { node }: NodeLoad): string[] {
  const taint = (node.spec?.taints ?? []).find((taint) =>
    taint.effect !== "PreferNoSchedule" && !tolerates(pod, taint)
  );
  return taint === undefined ? [] : [`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ""}}`];
}

export function tolerates(pod: Pod, taint: Taint): boolean {
  return (pod.spec?.tolerations ?? []).some((toleration) => toleratesTaint(toleration, taint));
}

function toleratesTaint({ key, operator = "Equal", value = "", effect }: Toleration, taint: Taint): boolean {
  if (effect !== undefined && effect !== taint.effect) return false;
  if (key === undefined || key === "") return operator === "Exists";
  return key === taint.key && (operator === "Exists" || value === (taint.value ?? ""));
}

const MISMATCH = "node(s) didn't match Pod's node affinity/selector";

function nodeSelector(pod: Pod, { node }: NodeLoad): string[] {
  const wanted = Object.entries(pod.spec?.nodeSelector ?? {});
  return wanted.every(([key, value]) => node.metadata.labels?.[key] === value) ? [] : [MISMATCH];
}

function nodeAffinity(pod: Pod, { node }: NodeLoad): string[] {
  const terms = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  return terms === undefined || terms.some((term) => matchesTerm(term, node)) ? [] : [MISMATCH];
}

/** A term without requirements matches nothing. */
export function matchesTerm(
  { matchExpressions = [], matchFields = [] }: NodeSelectorTerm,
  { metadata }: Node,
): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false;
  return matchExpressions.every((requirement) => matchesRequirement(requirement, metadata.labels?.[requirement.key])) &&
    matchFields.every((requirement) =>
      matchesRequirement(requirement, requirement.key === "metadata.name" ? metadata.name : undefined)
    );
}

function matchesRequirement(
  { operator, values = [] }: { operator: string; values?: string[] },
  actual: string | undefined,
): boolean {
  switch (operator) {
    case "In":
      return actual !== undefined && values.includes(actual);
    case "NotIn":
      return actual === undefined || !values.includes(actual);
    case "Exists":
      return actual !== undefined;
    case "DoesNotExist":
      return actual === undefined;
    case "Gt":
      return actual !== undefined && Number(actual) > Number(values[0]);
    case "Lt":
      return actual !== undefined && Number(actual) < Number(values[0]);
    default:
      return false;
  }
}

function fits(pod: Pod, { allocatable, requested, pods }: NodeLoad): string[] {
  const reasons = Object.entries(requestsOf(pod))
    .filter(([name, amount]) => amount > 0 && amount > (allocatable[name] ?? 0) - (requested[name] ?? 0))
    .map(([name]) => `Insufficient ${name}`);
  if (allocatable["pods"] !== undefined && pods + 1 > allocatable["pods"]) reasons.push("Too many pods");
  return reasons;
}
