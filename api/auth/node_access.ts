/**
 * What a node may do: read what its own pods use, write its own objects, and little else. What an object must look like
 * when a node writes it, node restriction (`admission/node_restriction.ts`) decides.
 *
 * Follows k8s.io/kubernetes `plugin/pkg/auth/authorizer/node` (1.35).
 */
import type { NodeGraph } from "./node_graph.ts";
import type { ReferredResource } from "./pod_references.ts";
import { type Action, allows, type PolicyRule, type ResourceAction } from "./rules.ts";
import type { Decision } from "./access.ts";
import { nodeNameOf, type User } from "./user.ts";

const LEASE_NAMESPACE = "kube-node-lease";
const OWN_VERBS = ["get", "create", "update", "patch", "delete"];
const READ_VERBS = ["get", "list", "watch"];
const ALLOWED: Decision = { allowed: true, reason: "" };
const SILENT: Decision = { allowed: false, reason: "" };

export class NodeAccess {
  readonly #graph: NodeGraph;
  readonly #rules: readonly PolicyRule[];

  /** @param rules what every node may, of what is not subdivided */
  constructor(graph: NodeGraph, rules: readonly PolicyRule[]) {
    this.#graph = graph;
    this.#rules = rules;
  }

  decide(user: User, action: Action): Decision {
    const node = nodeNameOf(user);
    if (node === undefined) return SILENT;
    if (node === "") return refused(`unknown node for user ${JSON.stringify(user.name)}`);
    if (!("path" in action)) {
      const special = SPECIAL[`${action.group}/${action.resource}`];
      if (special !== undefined) return special(node, action, this.#graph);
    }
    return this.#rules.some((rule) => allows(rule, action)) ? ALLOWED : SILENT;
  }
}

type Rule = (node: string, action: ResourceAction, graph: NodeGraph) => Decision;

const SPECIAL: Readonly<Record<string, Rule>> = {
  "/secrets": (...asked) => readsUsed("secrets", ...asked),
  "/configmaps": (...asked) => readsUsed("configmaps", ...asked),
  "/persistentvolumeclaims": (...asked) => claims("persistentvolumeclaims", ...asked),
  "resource.k8s.io/resourceclaims": (...asked) => getsUsed("resourceclaims", ...asked),
  // Nothing tells yet which of them belong to a node, as none of them are served.
  "/persistentvolumes": () => refused("persistent volumes are not served"),
  "storage.k8s.io/volumeattachments": () => refused("volume attachments are not served"),
  "resource.k8s.io/resourceslices": () => refused("resource slices are not served"),
  "certificates.k8s.io/podcertificaterequests": () => SILENT,
  "/serviceaccounts": serviceAccounts,
  "coordination.k8s.io/leases": leases,
  "storage.k8s.io/csinodes": csiNodes,
  "/nodes": nodes,
  "/pods": pods,
};

function refused(reason: string): Decision {
  return { allowed: false, reason };
}

function used(node: string, resource: ReferredResource, action: ResourceAction, graph: NodeGraph): Decision {
  const { namespace = "", name = "" } = action;
  if (name === "") return refused("No Object name found");
  return graph.uses(node, resource, namespace, name) ? ALLOWED : unrelated(node);
}

function unrelated(node: string): Decision {
  return refused(`no relationship found between node '${node}' and this object`);
}

/** Single objects, by name; lists and watches too, where they select one name. */
function readsUsed(resource: ReferredResource, node: string, action: ResourceAction, graph: NodeGraph): Decision {
  if (!READ_VERBS.includes(action.verb)) return refused("can only read resources of this type");
  if (action.subresource) return refused("cannot read subresource");
  if (!action.namespace) return refused("can only read namespaced object of this type");
  return used(node, resource, action, graph);
}

function getsUsed(resource: ReferredResource, node: string, action: ResourceAction, graph: NodeGraph): Decision {
  if (action.verb !== "get") return refused("can only get individual resources of this type");
  if (action.subresource) return refused("cannot get subresource");
  return used(node, resource, action, graph);
}

function claims(resource: ReferredResource, node: string, action: ResourceAction, graph: NodeGraph): Decision {
  if (action.subresource !== "status") return getsUsed(resource, node, action, graph);
  if (action.verb !== "update" && action.verb !== "patch") return refused("can only get/update/patch this type");
  return used(node, resource, action, graph);
}

function serviceAccounts(node: string, action: ResourceAction, graph: NodeGraph): Decision {
  const { verb, subresource = "", namespace = "", name = "" } = action;
  if (verb === "get" && subresource === "") return readsUsed("serviceaccounts", node, action, graph);
  if (verb !== "create" || name === "") return refused("can only create tokens for individual service accounts");
  if (subresource !== "token") return refused("can only create token subresource of serviceaccount");
  return graph.uses(node, "serviceaccounts", namespace, name) ? ALLOWED : unrelated(node);
}

function leases(node: string, { verb, namespace, name }: ResourceAction): Decision {
  if (!OWN_VERBS.includes(verb)) return refused("can only get, create, update, patch, or delete a node lease");
  if (namespace !== LEASE_NAMESPACE) {
    return refused(`can only access leases in the "${LEASE_NAMESPACE}" system namespace`);
  }
  // A new one has its name in its body, which node restriction reads.
  if (verb === "create" || name === node) return ALLOWED;
  return refused("can only access node lease with the same name as the requesting node");
}

function csiNodes(node: string, { verb, subresource, name }: ResourceAction): Decision {
  if (!OWN_VERBS.includes(verb)) return refused("can only get, create, update, patch, or delete a CSINode");
  if (subresource) return refused("cannot authorize CSINode subresources");
  if (verb === "create" || name === node) return ALLOWED;
  return refused("can only access CSINode with the same name as the requesting node");
}

function nodes(node: string, { verb, subresource = "", name = "" }: ResourceAction): Decision {
  // Node restriction sees to it that it writes itself only.
  const writes = subresource === ""
    ? ["create", "update", "patch"]
    : subresource === "status"
    ? ["update", "patch"]
    : [];
  if (writes.includes(verb)) return ALLOWED;
  if (subresource !== "" || !READ_VERBS.includes(verb)) return SILENT;
  if (name === node) return ALLOWED;
  return name === ""
    ? refused(`node '${node}' cannot read all nodes, only its own Node object`)
    : refused(`node '${node}' cannot read '${name}', only its own Node object`);
}

function pods(node: string, action: ResourceAction, graph: NodeGraph): Decision {
  const { verb, subresource = "", namespace = "", name = "", fieldSelector = [] } = action;
  // Of these, node restriction lets through its own pods' only.
  const own: Record<string, string[]> = { "": ["create", "delete"], status: ["update", "patch"], eviction: ["create"] };
  if (own[subresource]?.includes(verb)) return ALLOWED;
  if (subresource !== "" || !READ_VERBS.includes(verb)) return SILENT;
  const scoped = fieldSelector.some(({ field, equal, value }) => field === "spec.nodeName" && equal && value === node);
  if (scoped && verb !== "get") return ALLOWED;
  if (name !== "") return graph.runs(node, namespace, name) ? ALLOWED : unrelated(node);
  return refused("can only list/watch pods with spec.nodeName field selector");
}
