/** Ports of the node that pods ask for (core/v1 ContainerPort.hostPort). */
import { isSidecar, type Pod } from "@k3ts/model/objects";

export interface HostPort {
  /** `0.0.0.0` is all addresses. */
  address: string;
  protocol: string;
  port: number;
}

export function hostPortsOf({ spec }: Pod): HostPort[] {
  const containers = [...spec.containers, ...(spec.initContainers ?? []).filter(isSidecar)];
  return containers.flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, hostIP, protocol = "TCP" }) =>
      hostPort ? [{ address: hostIP || ALL, protocol, port: hostPort }] : []
    )
  );
}

/** Whether both cannot be had on one node. */
export function conflicts(a: HostPort, b: HostPort): boolean {
  const sameAddress = a.address === b.address || a.address === ALL || b.address === ALL;
  return sameAddress && a.protocol === b.protocol && a.port === b.port;
}

const ALL = "0.0.0.0";
