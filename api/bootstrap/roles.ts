/** The roles and bindings that every cluster has, as objects. */
import type { ApiObject } from "@k3ts/model";
import type { PolicyRule } from "../auth/rules.ts";
import { RBAC_GROUP } from "../auth/rbac.ts";
import { BOOTSTRAP_BINDINGS, BOOTSTRAP_ROLES } from "./role_table.ts";

const LABELS = { "kubernetes.io/bootstrapping": "rbac-defaults" };
const ANNOTATIONS = { "rbac.authorization.kubernetes.io/autoupdate": "true" };
const CONTROLLER = "system:controller:";

export function bootstrapRoles(): ApiObject[] {
  return Object.entries(BOOTSTRAP_ROLES).map(([name, { labels, aggregates, rules }]) => ({
    metadata: { name, labels: { ...LABELS, ...labels }, annotations: ANNOTATIONS },
    ...(aggregates && {
      aggregationRule: {
        clusterRoleSelectors: aggregates.map((label) => ({ matchLabels: { [label]: "true" } })),
      },
    }),
    // Shown to readers; what counts is computed from the roles that it selects.
    rules: aggregates === undefined ? rules.map(parseRule) : aggregatedRules(name, new Set()),
  }));
}

export function bootstrapBindings(): ApiObject[] {
  const plain = Object.entries(BOOTSTRAP_BINDINGS).map(([role, { groups = [], users = [] }]) =>
    bindingOf(role, [
      ...groups.map((name) => ({ apiGroup: RBAC_GROUP, kind: "Group", name })),
      ...users.map((name) => ({ apiGroup: RBAC_GROUP, kind: "User", name })),
    ])
  );
  const controllers = Object.keys(BOOTSTRAP_ROLES).filter((name) => name.startsWith(CONTROLLER)).map((role) =>
    bindingOf(role, [{ kind: "ServiceAccount", name: role.slice(CONTROLLER.length), namespace: "kube-system" }])
  );
  return [...plain, ...controllers];
}

function bindingOf(role: string, subjects: object[]): ApiObject & { roleRef: object; subjects: object[] } {
  return {
    metadata: { name: role, labels: LABELS, annotations: ANNOTATIONS },
    roleRef: { apiGroup: RBAC_GROUP, kind: "ClusterRole", name: role },
    subjects,
  };
}

function aggregatedRules(name: string, seen: Set<string>): PolicyRule[] {
  if (seen.has(name)) return [];
  seen.add(name);
  const { aggregates, rules } = BOOTSTRAP_ROLES[name]!;
  if (aggregates === undefined) return rules.map(parseRule);
  return Object.entries(BOOTSTRAP_ROLES)
    .filter(([, { labels }]) => aggregates.some((label) => labels?.[label] === "true"))
    .flatMap(([part]) => aggregatedRules(part, seen));
}

/** `get,list in core,apps: pods,deployments named a,b`, or `get of /healthz,/version`. */
export function parseRule(text: string): PolicyRule {
  const path = /^(\S+) of (\S+)$/.exec(text);
  if (path !== null) return { verbs: list(path[1]!), nonResourceURLs: list(path[2]!) };
  const parts = /^(\S+) in (\S+): (\S+)(?: named (\S+))?$/.exec(text);
  if (parts === null) {
    throw new TypeError(`Cannot read a rule as it must be "verbs in groups: resources" or "verbs of paths": ${text}`);
  }
  return {
    verbs: list(parts[1]!),
    apiGroups: list(parts[2]!).map((group) => group === "core" ? "" : group),
    resources: list(parts[3]!),
    ...(parts[4] !== undefined && { resourceNames: list(parts[4]) }),
  };
}

function list(text: string): string[] {
  return text.split(",");
}
