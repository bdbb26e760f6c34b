/**
 * What a start makes of a role or a binding that exists: it gets what the software wants of it and keeps what users
 * have added. Pure. Source: Kubernetes "Auto-reconciliation" (component-helpers, auth/rbac/reconciliation).
 */
import { type ApiObject, cloneJson, equalJson, type ObjectMetadata } from "@k3ts/model";
import type { BindingData, RoleData } from "../auth/rbac.ts";
import { uncovered } from "../auth/rules.ts";

/** With the value "false" an object is its users' alone. */
const AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate";

export function isProtected({ metadata }: { metadata: ObjectMetadata }): boolean {
  return metadata.annotations?.[AUTOUPDATE] === "false";
}

export function reconcileRole(old: RoleData & ApiObject, wanted: RoleData & ApiObject): RoleData & ApiObject {
  const next = cloneJson(old);
  next.metadata = mergeMetadata(old.metadata, wanted.metadata);
  const before = old.aggregationRule?.clusterRoleSelectors ?? [];
  const selectors = (wanted.aggregationRule?.clusterRoleSelectors ?? [])
    .filter((one) => !before.some((other) => equalJson(one, other)));
  if (selectors.length > 0) next.aggregationRule = { clusterRoleSelectors: [...before, ...selectors] };
  // The rules of an aggregating role follow from the others'.
  const missing = wanted.aggregationRule === undefined ? uncovered(old.rules ?? [], wanted.rules ?? []) : [];
  if (missing.length > 0) next.rules = [...old.rules ?? [], ...missing];
  return next;
}

/** A binding may not be given another role: undefined where it must be deleted and made anew. */
export function reconcileBinding(
  old: BindingData & ApiObject,
  wanted: BindingData & ApiObject,
): BindingData & ApiObject | undefined {
  if (old.roleRef.kind !== wanted.roleRef.kind || old.roleRef.name !== wanted.roleRef.name) return undefined;
  const next = cloneJson(old);
  next.metadata = mergeMetadata(old.metadata, wanted.metadata);
  const before = (old.subjects ?? []).filter((one) => !isWithdrawn(old.metadata.name, one));
  const missing = (wanted.subjects ?? []).filter((one) => !before.some((other) => isSame(one, other)));
  if ((old.subjects ?? []).length !== before.length || missing.length > 0) next.subjects = [...before, ...missing];
  return next;
}

/** What early clusters bound: all nodes to all that any node may, which would make node authorisation void. */
function isWithdrawn(binding: string, { kind, name }: Subject): boolean {
  return (binding === "system:node" || binding === "system:node-proxier") && kind === "Group" &&
    name === "system:nodes";
}

type Subject = NonNullable<BindingData["subjects"]>[number];

function isSame(one: Subject, other: Subject): boolean {
  return one.kind === other.kind && one.name === other.name && (one.namespace ?? "") === (other.namespace ?? "");
}

/** What others have written there stays theirs. */
function mergeMetadata(old: ObjectMetadata, wanted: ObjectMetadata): ObjectMetadata {
  const { labels, annotations } = wanted;
  return {
    ...old,
    ...(labels && { labels: { ...labels, ...old.labels } }),
    ...(annotations && { annotations: { ...annotations, ...old.annotations } }),
  };
}
