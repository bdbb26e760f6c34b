/** Which nodes a pod may run on by what it says of itself: labels, names and taints of nodes (core/v1 PodSpec). */
import type { Node, NodeSelectorTerm, PodSpec, Taint, Toleration } from "@k3ts/model/objects";

type Wishes = Pick<PodSpec, "nodeName" | "nodeSelector" | "affinity" | "tolerations">;

/** Whether its `nodeSelector` and required affinity let it. */
export function matchesNode({ nodeSelector = {}, affinity }: Wishes, node: Node): boolean {
  const isSelected = Object.entries(nodeSelector).every(([key, value]) => node.metadata.labels?.[key] === value);
  const terms = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  return isSelected && (terms === undefined || terms.some((term) => matchesTerm(term, node)));
}

/** The first of the node's taints that keeps the pod away. */
export function untolerated(
  { tolerations = [] }: Wishes,
  { spec }: Node,
  effects: readonly Taint["effect"][] = ["NoSchedule", "NoExecute"],
): Taint | undefined {
  return (spec?.taints ?? []).find((taint) => effects.includes(taint.effect) && !tolerates(tolerations, taint));
}

export function tolerates(tolerations: readonly Toleration[] | undefined, taint: Taint): boolean {
  return (tolerations ?? []).some((toleration) => toleratesTaint(toleration, taint));
}

export function toleratesTaint({ key, operator, value = "", effect }: Toleration, taint: Taint): boolean {
  if (effect && effect !== taint.effect) return false;
  if (!key) return operator === "Exists";
  return key === taint.key && (operator === "Exists" || value === (taint.value ?? ""));
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
