/** Who may do what: those who may do everything, then nodes, then roles. The first who allows decides; nobody denies. */
import type { NodeAccess } from "./node_access.ts";
import { denied, type RoleBasedAccess } from "./rbac.ts";
import type { Action, PolicyRule } from "./rules.ts";
import { MASTERS, nodeNameOf, type User } from "./user.ts";

export interface Decision {
  allowed: boolean;
  /** For people; empty where there is nothing to say. */
  reason: string;
}

/** What somebody may do in a namespace, as far as it can be told. */
export interface KnownRules {
  rules: PolicyRule[];
  /** Why there may be more; absent where that is all. */
  incomplete?: string;
}

export class Access {
  readonly roles: RoleBasedAccess;
  readonly #nodes: NodeAccess;

  constructor(roles: RoleBasedAccess, nodes: NodeAccess) {
    this.roles = roles;
    this.#nodes = nodes;
  }

  decide(user: User, action: Action): Decision {
    if (user.groups.includes(MASTERS)) return { allowed: true, reason: "" };
    const byNode = this.#nodes.decide(user, action);
    if (byNode.allowed) return byNode;
    const byRole = this.roles.decide(user, action);
    if (byRole.allowed) return byRole;
    return { allowed: false, reason: [byNode.reason, byRole.reason].filter((reason) => reason !== "").join("\n") };
  }

  allowed(user: User, action: Action): boolean {
    return this.decide(user, action).allowed;
  }

  /** @throws {StatusError} 403 */
  require(user: User, action: Action): void {
    const { allowed, reason } = this.decide(user, action);
    if (!allowed) throw denied(user, action, reason);
  }

  rulesOf(user: User, namespace: string): KnownRules {
    const rules = this.roles.rulesOf(user, namespace);
    if (nodeNameOf(user) === undefined) return { rules };
    return { rules, incomplete: "node authorizer does not support user rule resolution" };
  }
}
