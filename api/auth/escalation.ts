/**
 * Nobody may give away by a role or a binding what they may not do themselves, unless they hold the verb `escalate` on
 * roles or `bind` on the role. Source: Kubernetes "Privilege escalation prevention and bootstrapping".
 */
import { equalJson } from "@k3ts/model";
import { forbidden } from "../status.ts";
import type { Access } from "./access.ts";
import { type BindingData, RBAC_GROUP, type RoleData } from "./rbac.ts";
import { type PolicyRule, showRule, uncovered } from "./rules.ts";
import { MASTERS, type User } from "./user.ts";

/** @throws {StatusError} 403 when a role about to be written holds more than its writer */
export function refuseEscalatingRole(
  access: Access,
  user: User,
  resource: "roles" | "clusterroles",
  role: RoleData,
  before: RoleData | undefined,
): void {
  if (user.groups.includes(MASTERS)) return;
  const { name, namespace = "" } = role.metadata;
  const sameRules = before !== undefined && equalJson(before.rules, role.rules);
  const sameAggregation = equalJson(before?.aggregationRule, role.aggregationRule);
  if (sameRules && sameAggregation) return;
  if (access.allowed(user, { verb: "escalate", group: RBAC_GROUP, resource, namespace, name })) return;
  refuse(access, user, resource, name, namespace, role.rules ?? []);
  // An aggregating role takes over whatever is labelled for it later.
  if (role.aggregationRule !== undefined && !sameAggregation) {
    refuse(access, user, resource, name, namespace, [
      { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
      { verbs: ["*"], nonResourceURLs: ["*"] },
    ]);
  }
}

/** @throws {StatusError} 403 when a binding about to be written gives more than its writer holds */
export function refuseEscalatingBinding(
  access: Access,
  user: User,
  resource: "rolebindings" | "clusterrolebindings",
  binding: BindingData,
  before: BindingData | undefined,
): void {
  if (user.groups.includes(MASTERS)) return;
  const { name, namespace = "" } = binding.metadata;
  const { roleRef } = binding;
  if (before !== undefined && JSON.stringify(before.subjects) === JSON.stringify(binding.subjects)) return;
  const roles = roleRef.kind === "Role" ? "roles" : "clusterroles";
  if (access.allowed(user, { verb: "bind", group: RBAC_GROUP, resource: roles, namespace, name: roleRef.name })) return;
  const rules = access.roles.rulesOfRole(namespace, roleRef);
  if (rules === undefined) {
    throw forbidden(
      { group: RBAC_GROUP, resource },
      name,
      `${roles}.${RBAC_GROUP} ${JSON.stringify(roleRef.name)} not found`,
    );
  }
  refuse(access, user, resource, name, namespace, rules);
}

function refuse(
  access: Access,
  user: User,
  resource: string,
  name: string,
  namespace: string,
  wanted: readonly PolicyRule[],
): void {
  const missing = uncovered(access.roles.rulesOf(user, namespace), wanted);
  if (missing.length === 0) return;
  const groups = `groups=${JSON.stringify(user.groups)}`;
  throw forbidden(
    { group: RBAC_GROUP, resource },
    name,
    `user ${JSON.stringify(user.name)} (${groups}) is attempting to grant RBAC permissions not currently held:\n` +
      missing.map(showRule).join("\n"),
  );
}
