/**
 * Role-based access control over the roles and bindings in the cache.
 *
 * Bindings are indexed by subject; the index is made anew after any of them, or a role, has changed.
 */
import { type LabelSelectorData, matches } from "@k3ts/model";
import type { Cache } from "../cache/cache.ts";
import { Projection } from "../cache/projection.ts";
import { groupResource, StatusError } from "../status.ts";
import { type Action, allows, type PolicyRule, type ResourceAction } from "./rules.ts";
import { MASTERS, type User } from "./user.ts";

export const RBAC_GROUP = "rbac.authorization.k8s.io";

interface Metadata {
  name: string;
  namespace?: string;
  labels?: Record<string, string>;
}

export interface RoleData {
  metadata: Metadata;
  rules?: PolicyRule[] | null;
  aggregationRule?: { clusterRoleSelectors?: LabelSelectorData[] };
}

export interface BindingData {
  metadata: Metadata;
  roleRef: { apiGroup?: string; kind: string; name: string };
  subjects?: { kind: string; name: string; namespace?: string; apiGroup?: string }[] | null;
}

/** Bindings by namespace (empty: of the whole cluster) and subject. */
type BindingIndex = Map<string, Map<string, BindingData[]>>;

export class RoleBasedAccess {
  readonly #roles: Projection<RoleData>;
  readonly #clusterRoles: Projection<RoleData>;
  readonly #bindings: Projection<BindingData>;
  readonly #clusterBindings: Projection<BindingData>;
  #index: { of: number; bindings: BindingIndex } | undefined;
  #effective: { of: number; rules: Map<string, PolicyRule[]> } | undefined;

  constructor(cache: Cache) {
    const projection = (resource: string) => new Projection<never>(cache.of({ group: RBAC_GROUP, resource }));
    this.#roles = projection("roles");
    this.#clusterRoles = projection("clusterroles");
    this.#bindings = projection("rolebindings");
    this.#clusterBindings = projection("clusterrolebindings");
  }

  allowed(user: User, action: Action): boolean {
    if (user.groups.includes(MASTERS)) return true;
    for (const rules of this.#rulesFor(user, "path" in action ? "" : action.namespace ?? "")) {
      for (const rule of rules) if (allows(rule, action)) return true;
    }
    return false;
  }

  /** @throws {StatusError} 403 */
  require(user: User, action: Action): void {
    if (!this.allowed(user, action)) throw denied(user, action);
  }

  /** Everything that somebody may do in a namespace, with what they may do in the whole cluster. */
  rulesOf(user: User, namespace: string): PolicyRule[] {
    const all = [...this.#rulesFor(user, namespace)].flat();
    if (user.groups.includes(MASTERS)) all.push(EVERYTHING, EVERY_PATH);
    return all;
  }

  /** What a binding's role allows; undefined when there is no such role. */
  rulesOfRole(namespace: string, ref: { kind: string; name: string }): PolicyRule[] | undefined {
    if (ref.kind === "Role") return this.#roles.get(namespace, ref.name)?.rules ?? undefined;
    return this.#effectiveRules(ref.name);
  }

  *#rulesFor(user: User, namespace: string): Iterable<PolicyRule[]> {
    const subjects = [`User ${user.name}`, ...user.groups.map((group) => `Group ${group}`)];
    const index = this.#bindingIndex();
    for (const each of namespace === "" ? [""] : ["", namespace]) {
      const bySubject = index.get(each);
      if (bySubject === undefined) continue;
      for (const subject of subjects) {
        for (const { roleRef } of bySubject.get(subject) ?? []) {
          const rules = this.rulesOfRole(each, roleRef);
          if (rules !== undefined) yield rules;
        }
      }
    }
  }

  /** A cluster role's rules, with those of the roles that it aggregates. */
  #effectiveRules(name: string): PolicyRule[] | undefined {
    const of = this.#clusterRoles.version;
    if (this.#effective?.of !== of) this.#effective = { of, rules: new Map() };
    const known = this.#effective.rules.get(name);
    if (known !== undefined) return known;
    const role = this.#clusterRoles.get("", name);
    if (role === undefined) return undefined;
    const rules = this.#aggregate(role, new Set());
    this.#effective.rules.set(name, rules);
    return rules;
  }

  #aggregate(role: RoleData, seen: Set<string>): PolicyRule[] {
    // Roles may aggregate each other in circles.
    if (seen.has(role.metadata.name)) return [];
    seen.add(role.metadata.name);
    const selectors = role.aggregationRule?.clusterRoleSelectors;
    if (selectors === undefined) return role.rules ?? [];
    const parts = [...this.#clusterRoles.all()].filter((other) =>
      selectors.some((selector) => matches(selector, other.metadata.labels))
    );
    return parts.flatMap((part) => this.#aggregate(part, seen));
  }

  #bindingIndex(): BindingIndex {
    const of = this.#bindings.version + this.#clusterBindings.version;
    if (this.#index?.of === of) return this.#index.bindings;
    const bindings: BindingIndex = new Map();
    for (const binding of this.#clusterBindings.all()) addBinding(bindings, "", binding);
    for (const binding of this.#bindings.all()) addBinding(bindings, binding.metadata.namespace ?? "", binding);
    this.#index = { of, bindings };
    return bindings;
  }
}

const EVERYTHING: PolicyRule = { verbs: ["*"], apiGroups: ["*"], resources: ["*"] };
const EVERY_PATH: PolicyRule = { verbs: ["*"], nonResourceURLs: ["*"] };

function addBinding(index: BindingIndex, namespace: string, binding: BindingData): void {
  let bySubject = index.get(namespace);
  if (bySubject === undefined) index.set(namespace, bySubject = new Map());
  for (const subject of binding.subjects ?? []) {
    const key = subject.kind === "ServiceAccount"
      ? `User system:serviceaccount:${subject.namespace ?? namespace}:${subject.name}`
      : `${subject.kind} ${subject.name}`;
    const others = bySubject.get(key);
    if (others === undefined) bySubject.set(key, [binding]);
    else others.push(binding);
  }
}

/** The refusal, as Kubernetes words it. */
export function denied(user: User, action: Action): StatusError {
  const message = `${JSON.stringify(user.name)} cannot ${action.verb}`;
  if ("path" in action) {
    const why = `forbidden: User ${message} path ${JSON.stringify(action.path)}`;
    return new StatusError(403, "Forbidden", why, {});
  }
  const { group, resource, name = "" } = action;
  const subject = groupResource({ group, resource }) + (name === "" ? "" : ` ${JSON.stringify(name)}`);
  return new StatusError(403, "Forbidden", `${subject} is forbidden: User ${message} ${place(action)}`, {
    ...(name !== "" && { name }),
    ...(group !== "" && { group }),
    kind: resource,
  });
}

function place({ group, resource, subresource = "", namespace = "" }: ResourceAction): string {
  const full = subresource === "" ? resource : `${resource}/${subresource}`;
  const where = namespace === "" ? "at the cluster scope" : `in the namespace ${JSON.stringify(namespace)}`;
  return `resource ${JSON.stringify(full)} in API group ${JSON.stringify(group)} ${where}`;
}
