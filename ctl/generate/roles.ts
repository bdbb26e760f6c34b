/** Roles and their bindings from a few words. Pure. */
import type { KubernetesObject } from "@k3ts/client";
import { Problem } from "../problem.ts";
import { object } from "./pods.ts";

const API_VERSION = "rbac.authorization.k8s.io/v1";

/** @param resources `pods`, `deployments.apps`, `pods/log` */
export function roleOf(
  kind: "Role" | "ClusterRole",
  name: string,
  verbs: readonly string[],
  resources: readonly string[],
  resourceNames: readonly string[] = [],
): KubernetesObject {
  const groups = new Map<string, string[]>();
  for (const word of resources) {
    const [path = "", ...group] = word.split(".");
    const [, inPath = "", subresource] = /^([^/]*)(\/.*)?$/.exec(path) ?? [];
    // `deployments.apps/scale`: the subresource stands behind the group.
    const [groupName = "", ofGroup = ""] = group.join(".").split("/");
    const resource = `${inPath}${subresource ?? (ofGroup === "" ? "" : `/${ofGroup}`)}`;
    if (resource === "") throw new Problem(`--resource must be of resources, parted by commas: "${word}" is none.`);
    groups.set(groupName, [...groups.get(groupName) ?? [], resource]);
  }
  const rules = [...groups].map(([group, resources]) => ({
    apiGroups: [group],
    resources,
    verbs,
    ...(resourceNames.length > 0 && { resourceNames }),
  }));
  return object(API_VERSION, kind, name, { rules });
}

export interface BindingWords {
  role?: string;
  clusterrole?: string;
  user?: readonly string[];
  group?: readonly string[];
  /** `namespace:name`. */
  serviceaccount?: readonly string[];
}

export function bindingOf(kind: "Role" | "ClusterRole", name: string, words: BindingWords): KubernetesObject {
  const { role, clusterrole, user = [], group = [], serviceaccount = [] } = words;
  if ((role === undefined) === (clusterrole === undefined)) {
    throw new Problem(
      kind === "Role" ? "Either --role or --clusterrole must be given." : "--clusterrole must be given.",
    );
  }
  const apiGroup = "rbac.authorization.k8s.io";
  const subjects = [
    ...user.map((name) => ({ kind: "User", apiGroup, name })),
    ...group.map((name) => ({ kind: "Group", apiGroup, name })),
    ...serviceaccount.map((word) => {
      const [namespace, name, ...more] = word.split(":");
      if (!namespace || !name || more.length > 0) {
        throw new Problem(`--serviceaccount must be NAMESPACE:NAME: it is "${word}".`);
      }
      return { kind: "ServiceAccount", name, namespace };
    }),
  ];
  const roleRef = { apiGroup, kind: role === undefined ? "ClusterRole" : "Role", name: role ?? clusterrole };
  return object(API_VERSION, `${kind}Binding`, name, { roleRef, subjects });
}
