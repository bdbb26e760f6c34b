/** What a Service has to do with a pod (core/v1 ServiceSpec). */
import { isSidecar, matches, type Pod, type Service, type ServicePort } from "@k3ts/model/objects";

export type Family = "IPv4" | "IPv6";

export interface PodPort {
  name: string;
  protocol: "TCP" | "UDP" | "SCTP";
  port: number;
  appProtocol?: string;
}

/** Whether the pod stands behind the Service. */
export function picks(service: Service, pod: Pod): boolean {
  const selector = service.spec?.selector;
  return selector !== undefined && matches({ matchLabels: selector }, pod.metadata.labels);
}

export function addressOf(pod: Pod, family: Family): string | undefined {
  const addresses = (pod.status?.podIPs ?? []).map(({ ip }) => ip).concat(pod.status?.podIP ?? []);
  return addresses.find((address) =>
    address !== undefined && address !== "" && address.includes(":") === (family === "IPv6")
  );
}

/** Where the pod serves a port of the Service: by number, or by the name that one of its containers gives it. */
export function portOf(port: ServicePort, pod: Pod): PodPort[] {
  const target = port.targetPort ?? port.port;
  const number = typeof target === "number" ? target : namedPort(pod, target, port.protocol ?? "TCP");
  if (number === undefined) return [];
  return [{
    name: port.name ?? "",
    protocol: port.protocol ?? "TCP",
    port: number,
    ...(port.appProtocol !== undefined && { appProtocol: port.appProtocol }),
  }];
}

function namedPort(pod: Pod, name: string, protocol: string): number | undefined {
  const sidecars = (pod.spec?.initContainers ?? []).filter(isSidecar);
  for (const container of [...pod.spec?.containers ?? [], ...sidecars]) {
    for (const port of container.ports ?? []) {
      if (port.name === name && (port.protocol ?? "TCP") === protocol) return port.containerPort;
    }
  }
  return undefined;
}
