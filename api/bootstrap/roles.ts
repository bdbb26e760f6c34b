/** The roles and bindings that every cluster has, as objects. */
import type { ApiObject } from "@k3ts/model";
import { type BindingData, RBAC_GROUP, type RoleData } from "../auth/rbac.ts";
import type { PolicyRule } from "../auth/rules.ts";
import { CONTROLLER_ROLES } from "./controller_roles.ts";
import { NAMESPACED_BINDINGS, NAMESPACED_ROLES } from "./namespaced_roles.ts";
import {
  BOOTSTRAP_BINDINGS,
  BOOTSTRAP_ROLES,
  type BootstrapRole,
  type BootstrapSubjects,
  OWN_BINDINGS,
} from "./role_table.ts";

const LABELS = { "kubernetes.io/bootstrapping": "rbac-defaults" };
const ANNOTATIONS = { "rbac.authorization.kubernetes.io/autoupdate": "true" };
const CONTROLLER = "system:controller:";
const CLUSTER_ROLES: Record<string, BootstrapRole> = { ...BOOTSTRAP_ROLES, ...CONTROLLER_ROLES };

export interface RbacObjects {
  clusterroles: (RoleData & ApiObject)[];
  roles: (RoleData & ApiObject)[];
  clusterrolebindings: (BindingData & ApiObject)[];
  rolebindings: (BindingData & ApiObject)[];
}

export function bootstrapRbac(): RbacObjects {
  const plain = { ...BOOTSTRAP_BINDINGS, ...OWN_BINDINGS };
  const controllers = Object.keys(CONTROLLER_ROLES).map((role) =>
    bindingOf({ name: role }, "ClusterRole", role, { accounts: [`kube-system/${role.slice(CONTROLLER.length)}`] })
  );
  return {
    clusterroles: Object.entries(CLUSTER_ROLES).map(([name, role]) => ({
      ...roleOf({ name }, role),
      // Until the controller that aggregates has seen them; what counts is computed from the roles that it selects.
      ...(role.aggregates && { rules: aggregatedRules(name, new Set()) }),
    })),
    roles: Object.entries(NAMESPACED_ROLES).map(([path, role]) => roleOf(placeOf(path), role)),
    clusterrolebindings: [
      ...Object.entries(plain).map(([name, { role = name, ...subjects }]) =>
        bindingOf({ name }, "ClusterRole", role, subjects)
      ),
      ...controllers,
    ],
    rolebindings: Object.entries(NAMESPACED_BINDINGS).map(([path, { role, ...subjects }]) =>
      bindingOf(placeOf(path), "Role", role, subjects)
    ),
  };
}

/** What every node may, of what is not subdivided: of a role that nobody is bound to. */
export function nodeRules(): PolicyRule[] {
  return BOOTSTRAP_ROLES["system:node"]!.rules.map(parseRule);
}

interface Place {
  name: string;
  namespace?: string;
}

/** `namespace/name` */
function placeOf(path: string): Place {
  const slash = path.indexOf("/");
  return { namespace: path.slice(0, slash), name: path.slice(slash + 1) };
}

function roleOf(place: Place, { labels, aggregates, rules }: BootstrapRole): RoleData & ApiObject {
  return {
    metadata: { ...place, labels: { ...LABELS, ...labels }, annotations: ANNOTATIONS },
    ...(aggregates && {
      aggregationRule: {
        clusterRoleSelectors: aggregates.map((label) => ({ matchLabels: { [label]: "true" } })),
      },
    }),
    rules: rules.map(parseRule),
  };
}

function bindingOf(
  place: Place,
  kind: "Role" | "ClusterRole",
  role: string,
  { groups = [], users = [], accounts = [] }: BootstrapSubjects,
): BindingData & ApiObject {
  const subjects = [
    ...groups.map((name) => ({ apiGroup: RBAC_GROUP, kind: "Group", name })),
    ...users.map((name) => ({ apiGroup: RBAC_GROUP, kind: "User", name })),
    ...accounts.map((path) => ({ kind: "ServiceAccount", ...placeOf(path) })),
  ];
  return {
    metadata: { ...place, labels: LABELS, annotations: ANNOTATIONS },
    roleRef: { apiGroup: RBAC_GROUP, kind, name: role },
    ...(subjects.length > 0 && { subjects }),
  };
}

function aggregatedRules(name: string, seen: Set<string>): PolicyRule[] {
  if (seen.has(name)) return [];
  seen.add(name);
  const { aggregates, rules } = CLUSTER_ROLES[name]!;
  if (aggregates === undefined) return rules.map(parseRule);
  const parts = Object.keys(CLUSTER_ROLES).sort().filter((part) =>
    aggregates.some((label) => CLUSTER_ROLES[part]!.labels?.[label] === "true")
  );
  return parts.flatMap((part) => aggregatedRules(part, seen));
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
