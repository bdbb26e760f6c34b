/**
 * What nodes may write: themselves without what would draw work to them, the state of their pods, their lease, tokens
 * for their pods. Whoever has a node's certificate is held to it, whatever roles say.
 *
 * Follows k8s.io/kubernetes `plugin/pkg/admission/noderestriction` (1.35).
 */
import { type ApiObject, equalJson, type Node, type Pod } from "@k3ts/model";
import type { Access } from "../auth/access.ts";
import { apiObjectsOf, MIRROR_POD } from "../auth/pod_references.ts";
import { nodeNameOf, type User } from "../auth/user.ts";
import type { Cache } from "../cache/cache.ts";
import { parseObject } from "../registry/stored_object.ts";
import { forbidden, notFound, type StatusError } from "../status.ts";
import type { AdmissionPlugin, AdmissionRequest } from "./admission.ts";
import { forbiddenNodeLabels } from "./node_labels.ts";

const NODES = { group: "", resource: "nodes" };
const PODS = { group: "", resource: "pods" };
const LEASE_NAMESPACE = "kube-node-lease";

export function nodeRestriction(cache: Cache, access: Access): AdmissionPlugin {
  return {
    name: "NodeRestriction",
    validate(request) {
      const node = nodeNameOf(request.user);
      if (node === undefined || request.operation === "CONNECT") return;
      const refuse = (why: string) => forbidden(request.resource, request.name, why);
      if (node === "") throw refuse(`could not determine node from user ${JSON.stringify(request.user.name)}`);
      const { group, resource } = request.resource;
      RULES[`${group}/${resource}`]?.({ node, request, cache, access, refuse });
    },
  };
}

interface Asked {
  node: string;
  request: AdmissionRequest;
  cache: Cache;
  access: Access;
  refuse: (why: string) => StatusError;
}

const RULES: Readonly<Record<string, (asked: Asked) => void>> = {
  "/pods": judgePod,
  "/nodes": judgeNode,
  "/serviceaccounts": judgeToken,
  "coordination.k8s.io/leases": judgeLease,
  "storage.k8s.io/csinodes": ({ node, request, refuse }) => {
    if (request.name !== node) throw refuse("can only access CSINode with the same name as the requesting node");
  },
};

function judgePod(asked: Asked): void {
  const { node, request: { operation, subresource, namespace, name, old, object }, cache, refuse } = asked;
  const quoted = JSON.stringify(node);
  if (subresource === "" && operation === "CREATE") return judgeMirrorPod(object as Pod, asked);
  const stored = cache.get(PODS, namespace, name);
  if (stored === undefined) throw notFound(PODS, name);
  const isOwn = stored.fields["spec.nodeName"] === node;
  if (subresource === "" && operation === "DELETE") {
    if (!isOwn) throw refuse(`node ${quoted} can only delete pods with spec.nodeName set to itself`);
  } else if (subresource === "status" && operation === "UPDATE") {
    if (!isOwn) throw refuse(`node ${quoted} can only update pod status for pods with spec.nodeName set to itself`);
    refuseForeignStatus(old as Pod, object as Pod, asked);
  } else if (subresource === "eviction") {
    if (!isOwn) throw refuse(`node ${node} can only evict pods with spec.nodeName set to itself`);
  } else if (subresource === "") {
    throw refuse(`unexpected operation "${operation}", node ${quoted} can only create and delete mirror pods`);
  } else {
    throw refuse(`unexpected pod subresource "${subresource}", only 'status' and 'eviction' are allowed`);
  }
}

/** A node may show what it runs by itself, and must gain nothing by it. */
function judgeMirrorPod(pod: Pod, { node, cache, refuse }: Asked): void {
  const quoted = JSON.stringify(node);
  if (pod.metadata.annotations?.[MIRROR_POD] === undefined) {
    throw refuse(`pod does not have "${MIRROR_POD}" annotation, node ${quoted} can only create mirror pods`);
  }
  if (pod.spec?.nodeName !== node) {
    throw refuse(`node ${quoted} can only create pods with spec.nodeName set to itself`);
  }
  const [owner, ...others] = pod.metadata.ownerReferences ?? [];
  if (others.length > 0) {
    throw refuse(`node ${quoted} can only create pods with a single owner reference set to itself`);
  }
  if (owner?.apiVersion !== "v1" || owner.kind !== "Node" || owner.name !== node) {
    throw refuse(`node ${quoted} can only create pods with an owner reference set to itself`);
  }
  if (owner.controller !== true) {
    throw refuse(`node ${quoted} can only create pods with a controller owner reference set to itself`);
  }
  if (owner.blockOwnerDeletion === true) {
    throw refuse(`node ${quoted} must not set blockOwnerDeletion on an owner reference`);
  }
  const uid = cache.get(NODES, "", node)?.uid;
  if (uid === undefined) throw notFound(NODES, node);
  if (owner.uid !== uid) throw refuse(`node ${node} UID mismatch: expected ${owner.uid} got ${uid}`);
  const objects = apiObjectsOf(pod);
  if (objects !== undefined) throw refuse(`node ${quoted} can not create pods that reference ${objects}`);
}

/** Labels decide which Services lead to a pod; claims, what its node may read. */
function refuseForeignStatus(old: Pod, pod: Pod, { node, refuse }: Asked): void {
  const quoted = JSON.stringify(node);
  if (!equalJson(old.metadata.labels ?? {}, pod.metadata.labels ?? {})) {
    throw refuse(`node ${quoted} cannot update labels through pod status`);
  }
  if (!equalJson(old.status?.resourceClaimStatuses ?? [], pod.status?.resourceClaimStatuses ?? [])) {
    throw refuse(`node ${quoted} cannot update resource claim statues`);
  }
  if (!equalJson(old.status?.extendedResourceClaimStatus, pod.status?.extendedResourceClaimStatus)) {
    throw refuse(`node ${quoted} cannot update extended resource claim status`);
  }
}

function judgeNode({ node, request: { name, operation, object, old }, refuse }: Asked): void {
  if (name !== node) throw refuse(`node "${node}" is not allowed to modify node "${name}"`);
  if (operation === "DELETE") return;
  const next = object as Node;
  const before = old as Node | undefined;
  const labels = forbiddenNodeLabels(next.metadata.labels, before?.metadata.labels);
  // Not in Kubernetes: routes follow from it, so that a node could draw the traffic of another one's pods to itself.
  const rangesOf = ({ podCIDR, podCIDRs = [] }: NonNullable<Node["spec"]> = {}) => ({ podCIDR, podCIDRs });
  if (!equalJson(rangesOf(next.spec), rangesOf(before?.spec))) {
    throw refuse(`node "${node}" is not allowed to choose its range of pod addresses`);
  }
  if (before === undefined) {
    if (next.spec?.configSource !== undefined) {
      throw refuse(`node "${node}" is not allowed to create pods with a non-nil configSource`);
    }
    if (labels.length > 0) {
      throw refuse(`node "${node}" is not allowed to set the following labels: ${labels.join(", ")}`);
    }
    return;
  }
  if (next.spec?.configSource !== undefined && !equalJson(next.spec.configSource, before.spec?.configSource)) {
    throw refuse(`node "${node}" is not allowed to update configSource to a new non-nil configSource`);
  }
  if (!equalJson(next.spec?.taints ?? [], before.spec?.taints ?? [])) {
    throw refuse(`node "${node}" is not allowed to modify taints`);
  }
  if (!equalJson(next.metadata.ownerReferences ?? [], before.metadata.ownerReferences ?? [])) {
    throw refuse(`node "${node}" is not allowed to modify ownerReferences`);
  }
  if (labels.length > 0) throw refuse(`is not allowed to modify labels: ${labels.join(", ")}`);
}

function judgeLease({ node, request: { namespace, name }, refuse }: Asked): void {
  if (namespace !== LEASE_NAMESPACE) {
    throw refuse(`can only access leases in the "${LEASE_NAMESPACE}" system namespace`);
  }
  if (name !== node) throw refuse("can only access node lease with the same name as the requesting node");
}

interface TokenRequest extends ApiObject {
  spec?: {
    audiences?: string[];
    boundObjectRef?: { apiVersion?: string; kind?: string; name?: string; uid?: string };
  };
}

/** A node asks for tokens of its pods only: bound to the pod, and for whom the pod says. */
function judgeToken({ node, request, cache, access, refuse }: Asked): void {
  const { operation, subresource, namespace, user, object } = request;
  if (operation !== "CREATE" || subresource !== "token") return;
  const { boundObjectRef: ref, audiences = [] } = (object as TokenRequest).spec ?? {};
  if (ref?.apiVersion !== "v1" || ref.kind !== "Pod" || !ref.name) {
    throw refuse("node requested token not bound to a pod");
  }
  if (!ref.uid) throw refuse("node requested token with a pod binding without a uid");
  const stored = cache.get(PODS, namespace, ref.name);
  if (stored === undefined) throw notFound(PODS, ref.name);
  if (stored.uid !== ref.uid) {
    throw refuse(
      `the UID in the bound object reference (${ref.uid}) does not match the UID in record. ` +
        "The object might have been deleted and then recreated",
    );
  }
  const pod = parseObject<Pod & ApiObject>(stored);
  if (pod.spec?.nodeName !== node) throw refuse("node requested token bound to a pod scheduled on a different node");
  if (audiences.length > 1) throw refuse("node may only request 0 or 1 audiences");
  refuseForeignAudience(pod, audiences[0] ?? "", user, { namespace, name: request.name, access, refuse });
}

function refuseForeignAudience(
  pod: Pod,
  audience: string,
  user: User,
  { namespace, name, access, refuse }: { namespace: string; name: string; access: Access; refuse: Asked["refuse"] },
): void {
  const asks = (pod.spec?.volumes ?? []).some(({ projected }) =>
    projected?.sources?.some(({ serviceAccountToken: token }) => token && (token.audience ?? "") === audience)
  );
  if (asks) return;
  const verb = "request-serviceaccounts-token-audience";
  if (access.allowed(user, { verb, group: "", resource: audience, namespace, name })) return;
  throw refuse(
    `audience ${JSON.stringify(audience)} not found in pod spec volume, ${user.name} is not authorized to request ` +
      "tokens for this audience",
  );
}
