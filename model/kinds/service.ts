import { ageOf } from "../time.ts";
import type { Service } from "../types/mod.ts";
import { AGE_COLUMN, column, defineKind, NAME_COLUMN } from "./define.ts";
import { dns1035LabelProblems, maskTrailingDash } from "../names.ts";
import type { FieldError } from "./field_error.ts";
import { dropWhatTheTypeLost, giveFamilies, keepAllocated } from "./service_allocation.ts";
import { validateService, validateServiceChange, validateServiceStatus } from "./service_validation.ts";

const AFFINITY_SECONDS = 10_800;

export const service = defineKind<Service>({
  resource: "services",
  type: "v1.Service",
  namespaced: true,
  nameProblems: (name, prefix) => dns1035LabelProblems(prefix ? maskTrailingDash(name) : name),
  hasStatus: true,
  allowsCreateOnUpdate: true,
  defaults(object) {
    object.spec ??= {};
    object.status ??= {};
    object.status.loadBalancer ??= {};
    const { spec } = object;
    spec.type ||= "ClusterIP";
    spec.sessionAffinity ||= "None";
    if (spec.sessionAffinity === "None") delete spec.sessionAffinityConfig;
    else if (
      spec.sessionAffinity === "ClientIP" && spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined
    ) {
      spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: AFFINITY_SECONDS } };
    }
    for (const port of spec.ports ?? []) {
      port.protocol ||= "TCP";
      if (!port.targetPort) port.targetPort = port.port;
    }
    if (isExternallyAccessible(object)) spec.externalTrafficPolicy ||= "Cluster";
    if (spec.type !== "ExternalName") spec.internalTrafficPolicy ??= "Cluster";
    if (spec.type !== "LoadBalancer") return;
    spec.allocateLoadBalancerNodePorts ??= true;
    for (const ingress of object.status.loadBalancer.ingress ?? []) if (ingress.ip) ingress.ipMode ??= "VIP";
  },
  prepareForCreate(object) {
    object.status = { loadBalancer: {} };
    const { spec } = object;
    if (spec?.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
    giveFamilies(object);
  },
  prepareForUpdate(next, old, subresource) {
    if (subresource !== "") return;
    keepAllocated(next, old);
    dropWhatTheTypeLost(next, old);
    giveFamilies(next, old);
  },
  validate: validateService,
  validateChange: validateServiceChange,
  validateStatus: validateServiceStatus as (next: Service, old: Service) => FieldError[],
  columns: [
    NAME_COLUMN,
    column("Type", "How it is reached."),
    column("Cluster-IP", "Its address within the cluster."),
    column("External-IP", "Its addresses outside the cluster."),
    column("Port(s)", "The ports that it serves."),
    AGE_COLUMN,
    column("Selector", "Which pods are behind it.", { wide: true }),
  ],
  row: (object, now) => {
    const { spec, metadata } = object;
    const ports = (spec?.ports ?? []).map(({ port, nodePort, protocol }) =>
      nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`
    );
    return [
      metadata.name,
      spec?.type ?? "",
      spec?.clusterIPs?.[0] ?? "<none>",
      externalAddresses(object),
      ports.join(",") || "<none>",
      ageOf(metadata.creationTimestamp, now),
      showSelector(spec?.selector),
    ];
  },
  selectableFields: ({ spec }) => ({ "spec.clusterIP": spec?.clusterIP ?? "", "spec.type": spec?.type ?? "" }),
});

function isExternallyAccessible({ spec }: Service): boolean {
  return spec?.type === "LoadBalancer" || spec?.type === "NodePort" ||
    (spec?.type === "ClusterIP" && (spec.externalIPs?.length ?? 0) > 0);
}

function externalAddresses({ spec, status }: Service): string {
  const given = spec?.externalIPs ?? [];
  switch (spec?.type) {
    case "ClusterIP":
    case "NodePort":
      return given.join(",") || "<none>";
    case "LoadBalancer": {
      const balancer = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname || "")
        .filter((address) => address !== "");
      return [...[...new Set(balancer)].sort(), ...given].join(",") || "<pending>";
    }
    case "ExternalName":
      return spec.externalName ?? "";
    default:
      return "<unknown>";
  }
}

function showSelector(selector: Readonly<Record<string, string>> | undefined): string {
  return Object.keys(selector ?? {}).sort().map((key) => `${key}=${selector![key]}`).join(",") || "<none>";
}
