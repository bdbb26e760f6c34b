/** The rules of cluster roles that take over those of others (rbac.authorization.k8s.io/v1 AggregationRule). Pure. */
import { type ClusterRole, equalJson, matches, type PolicyRule } from "@k3ts/model/objects";

/** Whether a role takes over what another one has. */
export function takesOver(role: ClusterRole, other: ClusterRole): boolean {
  const selectors = role.aggregationRule?.clusterRoleSelectors ?? [];
  return role.metadata.name !== other.metadata.name &&
    selectors.some((selector) => matches(selector, other.metadata.labels));
}

/** All rules of the parts, each once, in the order of the parts' names; undefined where the role has them already. */
export function aggregate(role: ClusterRole, parts: readonly ClusterRole[]): PolicyRule[] | undefined {
  const sorted = parts.toSorted((one, other) => one.metadata.name < other.metadata.name ? -1 : 1);
  const rules: PolicyRule[] = [];
  for (const rule of sorted.flatMap((part) => part.rules ?? [])) {
    if (!rules.some((other) => equalJson(other, rule))) rules.push(rule);
  }
  return equalJson(rules, role.rules ?? []) ? undefined : rules;
}
