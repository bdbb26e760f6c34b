/**
 * Role-based access control over the roles and bindings in the cache.
 *
 * Bindings are indexed by subject; the index is made anew after any of them, or a role, has changed.
 */
import { type LabelSelectorData, matches } from "@k3ts/model";
import type { Cache } from "../cache/cache.ts";
import { Projection } from "../cache/projection.ts";
import { groupResource, StatusError } from "../status.ts";
import type { Decision } from "./access.ts";
import { type Action, allows, type PolicyRule, type ResourceAction } from "./rules.ts";
import type { User } from "./user.ts";

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

  decide(user: User, action: Action): Decision {
    const missing = new Set<string>();
    for (const grant of this.#grantsFor(user, "path" in action ? "" : action.namespace ?? "")) {
      if (grant.rules === undefined) missing.add(notThere(grant.binding.roleRef));
      else if (grant.rules.some((rule) => allows(rule, action))) {
        return { allowed: true, reason: `RBAC: allowed by ${showGrant(grant)}` };
      }
    }
    const [first, ...more] = missing;
    if (first === undefined) return { allowed: false, reason: "" };
    return { allowed: false, reason: `RBAC: ${more.length === 0 ? first : `[${[...missing].join(", ")}]`}` };
  }

  /** Everything that roles let somebody do in a namespace, with what they let them do in the whole cluster. */
  rulesOf(user: User, namespace: string): PolicyRule[] {
    return [...this.#grantsFor(user, namespace)].flatMap(({ rules = [] }) => rules);
  }

  /** What a binding's role allows; undefined when there is no such role. */
  rulesOfRole(namespace: string, ref: { kind: string; name: string }): PolicyRule[] | undefined {
    if (ref.kind !== "Role") return this.#effectiveRules(ref.name);
    const role = this.#roles.get(namespace, ref.name);
    return role && (role.rules ?? []);
  }

  *#grantsFor(user: User, namespace: string): Iterable<Grant> {
    const subjects = [`User ${user.name}`, ...user.groups.map((group) => `Group ${group}`)];
    const index = this.#bindingIndex();
    for (const each of namespace === "" ? [""] : ["", namespace]) {
      const bySubject = index.get(each);
      if (bySubject === undefined) continue;
      for (const subject of subjects) {
        for (const binding of bySubject.get(subject) ?? []) {
          yield { binding, subject, rules: this.rulesOfRole(each, binding.roleRef) };
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

/** What one binding gives to somebody. */
interface Grant {
  binding: BindingData;
  /** `User NAME` or `Group NAME`. */
  subject: string;
  /** Undefined where there is no such role. */
  rules: PolicyRule[] | undefined;
}

/** As Kubernetes tells why. */
function showGrant({ binding: { metadata, roleRef }, subject }: Grant): string {
  const { name, namespace } = metadata;
  const bound = namespace ? `RoleBinding "${name}/${namespace}"` : `ClusterRoleBinding "${name}"`;
  const account = subject.startsWith(ACCOUNT_KEY) ? subject.slice(ACCOUNT_KEY.length).split(":") : undefined;
  const [kind, ...rest] = subject.split(" ");
  const to = account === undefined ? `${kind} "${rest.join(" ")}"` : `ServiceAccount "${account[1]}/${account[0]}"`;
  return `${bound} of ${roleRef.kind} "${roleRef.name}" to ${to}`;
}

function notThere({ kind, name }: BindingData["roleRef"]): string {
  return `${kind.toLowerCase()}.${RBAC_GROUP} ${JSON.stringify(name)} not found`;
}

const ACCOUNT_KEY = "User system:serviceaccount:";

function addBinding(index: BindingIndex, namespace: string, binding: BindingData): void {
  let bySubject = index.get(namespace);
  if (bySubject === undefined) index.set(namespace, bySubject = new Map());
  for (const subject of binding.subjects ?? []) {
    const key = subject.kind === "ServiceAccount"
      ? `${ACCOUNT_KEY}${subject.namespace ?? namespace}:${subject.name}`
      : `${subject.kind} ${subject.name}`;
    const others = bySubject.get(key);
    if (others === undefined) bySubject.set(key, [binding]);
    else others.push(binding);
  }
}

/** The refusal, as Kubernetes words it. @param reason what whoever decided says of it; may be empty */
export function denied(user: User, action: Action, reason = ""): StatusError {
  const because = reason === "" ? "" : `: ${reason}`;
  const message = `${JSON.stringify(user.name)} cannot ${action.verb}`;
  if ("path" in action) {
    const why = `forbidden: User ${message} path ${JSON.stringify(action.path)}${because}`;
    return new StatusError(403, "Forbidden", why, {});
  }
  const { group, resource, name = "" } = action;
  const subject = groupResource({ group, resource }) + (name === "" ? "" : ` ${JSON.stringify(name)}`);
  return new StatusError(403, "Forbidden", `${subject} is forbidden: User ${message} ${place(action)}${because}`, {
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
