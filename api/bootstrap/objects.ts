/** The objects that every cluster has from its first start on. */
import { type ApiObject, cloneJson, SYSTEM_PRIORITIES } from "@k3ts/model";
import { type BindingData, RBAC_GROUP, type RoleData } from "../auth/rbac.ts";
import { isProtected, reconcileBinding, reconcileRole } from "./reconcile.ts";
import { bootstrapRbac } from "./roles.ts";

export interface BootstrapObject {
  /** `resource.group`. */
  resource: string;
  object: ApiObject;
  /**
   * What a start makes of one that exists; undefined where it must be deleted and made anew.
   * @default it stays as it is
   */
  update?: (old: ApiObject) => ApiObject | undefined;
}

/** Where the API is reached, from inside. */
export interface ApiAddress {
  /** The Service's. */
  clusterAddress: string;
  /** The server's own, as its endpoints have it; absent while it is not known. */
  endpoint?: { address: string; port: number };
}

const NAMESPACES = ["default", "kube-system", "kube-public", "kube-node-lease"];

export function bootstrapObjects(api: ApiAddress): BootstrapObject[] {
  return [
    ...NAMESPACES.map((name) => ({ resource: "namespaces", object: { metadata: { name } } })),
    ...rbacObjects(),
    ...priorityClasses(),
    decided("services", kubernetesService(api)),
    ...kubernetesEndpoints(api),
  ];
}

function rbacObjects(): BootstrapObject[] {
  const { clusterroles, roles, clusterrolebindings, rolebindings } = bootstrapRbac();
  const reconciled = <T extends ApiObject>(
    resource: string,
    objects: readonly T[],
    reconcile: (old: T, wanted: T) => T | undefined,
  ): BootstrapObject[] =>
    objects.map((object) => ({
      resource: `${resource}.${RBAC_GROUP}`,
      object,
      update: (old) => isProtected(old) ? old : reconcile(old as T, object),
    }));
  return [
    ...reconciled<RoleData & ApiObject>("clusterroles", clusterroles, reconcileRole),
    ...reconciled<RoleData & ApiObject>("roles", roles, reconcileRole),
    ...reconciled<BindingData & ApiObject>("clusterrolebindings", clusterrolebindings, reconcileBinding),
    ...reconciled<BindingData & ApiObject>("rolebindings", rolebindings, reconcileBinding),
  ];
}

/** What the software, not the user, decides; what others have added to the metadata stays theirs. */
function decided(resource: string, object: ApiObject): BootstrapObject {
  const { labels } = object.metadata;
  return {
    resource,
    object,
    update: ({ metadata }) => ({
      ...cloneJson(object),
      metadata: { ...metadata, ...(labels && { labels: { ...metadata.labels, ...labels } }) },
    }),
  };
}

function priorityClasses(): BootstrapObject[] {
  const make = (name: string, description: string): BootstrapObject => ({
    resource: "priorityclasses.scheduling.k8s.io",
    object: { metadata: { name }, value: SYSTEM_PRIORITIES[name], description } as ApiObject,
  });
  return [
    make("system-cluster-critical", "For what the cluster must have, though it may run on another node."),
    make("system-node-critical", "For what must not be moved from its node."),
  ];
}

const NAME = { name: "kubernetes", namespace: "default" };

function kubernetesService({ clusterAddress, endpoint }: ApiAddress): ApiObject {
  return {
    metadata: { ...NAME, labels: { component: "apiserver", provider: "kubernetes" } },
    spec: {
      type: "ClusterIP",
      clusterIP: clusterAddress,
      ports: [{ name: "https", protocol: "TCP", port: 443, targetPort: endpoint?.port ?? 6443 }],
    },
  } as ApiObject;
}

function kubernetesEndpoints({ endpoint }: ApiAddress): BootstrapObject[] {
  if (endpoint === undefined) return [];
  const { address, port } = endpoint;
  const ports = [{ name: "https", port, protocol: "TCP" }];
  return [
    decided("endpoints", {
      metadata: { ...NAME, labels: { "endpointslice.kubernetes.io/skip-mirror": "true" } },
      subsets: [{ addresses: [{ ip: address }], ports }],
    } as ApiObject),
    decided("endpointslices.discovery.k8s.io", {
      metadata: { ...NAME, labels: { "kubernetes.io/service-name": "kubernetes" } },
      addressType: "IPv4",
      endpoints: [{ addresses: [address], conditions: { ready: true } }],
      ports,
    } as ApiObject),
  ];
}
