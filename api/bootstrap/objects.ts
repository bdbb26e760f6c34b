/** The objects that every cluster has from its first start on. */
import { type ApiObject, SYSTEM_PRIORITIES } from "@k3ts/model";
import { bootstrapBindings, bootstrapRoles } from "./roles.ts";

export interface BootstrapObject {
  /** `resource.group`. */
  resource: string;
  object: ApiObject;
  /** Written again at every start where it differs: what the software, not the user, decides. @default false */
  kept?: boolean;
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
    ...bootstrapRoles().map((object) => ({
      resource: "clusterroles.rbac.authorization.k8s.io",
      object,
      kept: true,
    })),
    ...bootstrapBindings().map((object) => ({
      resource: "clusterrolebindings.rbac.authorization.k8s.io",
      object,
      kept: true,
    })),
    ...priorityClasses(),
    { resource: "services", object: kubernetesService(api), kept: true },
    ...kubernetesEndpoints(api),
  ];
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
    {
      resource: "endpoints",
      object: {
        metadata: { ...NAME, labels: { "endpointslice.kubernetes.io/skip-mirror": "true" } },
        subsets: [{ addresses: [{ ip: address }], ports }],
      } as ApiObject,
      kept: true,
    },
    {
      resource: "endpointslices.discovery.k8s.io",
      object: {
        metadata: { ...NAME, labels: { "kubernetes.io/service-name": "kubernetes" } },
        addressType: "IPv4",
        endpoints: [{ addresses: [address], conditions: { ready: true } }],
        ports,
      } as ApiObject,
      kept: true,
    },
  ];
}
