/** Which addresses stand behind the ports of a Service. Pure; shared by packet rules and DNS. */
import { type Endpoint, type EndpointSlice, isIPv4, type Service, type ServicePort } from "@k3ts/model/objects";

const SERVICE_LABEL = "kubernetes.io/service-name";

/** EndpointSlices by `namespace/service`. */
export function slicesByService(slices: readonly EndpointSlice[]): Map<string, EndpointSlice[]> {
  const found = new Map<string, EndpointSlice[]>();
  for (const slice of slices) {
    const name = slice.metadata.labels?.[SERVICE_LABEL];
    if (name === undefined || slice.addressType !== "IPv4") continue;
    const key = `${slice.metadata.namespace ?? "default"}/${name}`;
    const list = found.get(key);
    if (list === undefined) found.set(key, [slice]);
    else list.push(slice);
  }
  return found;
}

export function serviceKey(service: Service): string {
  return `${service.metadata.namespace ?? "default"}/${service.metadata.name}`;
}

export function isReadyEndpoint(endpoint: Endpoint): boolean {
  // discovery/v1: unknown is to be taken as ready.
  return endpoint.conditions?.ready ?? true;
}

/** Terminating, but still able to answer: what is used where nothing is ready (KEP-1669). */
function stillServes(endpoint: Endpoint): boolean {
  return endpoint.conditions?.serving === true && endpoint.conditions.terminating === true;
}

export interface Backend {
  address: string;
  port: number;
  nodeName?: string;
}

/**
 * The backends of one port, sorted: those that are ready, else those that end but still serve.
 *
 * @param leaving addresses of pods of this node that are on their way out
 */
export function backendsOf(
  slices: readonly EndpointSlice[],
  port: ServicePort,
  leaving: ReadonlySet<string>,
): Backend[] {
  const pick = (wanted: (endpoint: Endpoint) => boolean): Backend[] => {
    const found = new Map<string, Backend>();
    for (const slice of slices) {
      const target = slice.ports?.find((one) =>
        (one.name ?? "") === (port.name ?? "") && (one.protocol ?? "TCP") === (port.protocol ?? "TCP")
      );
      if (target?.port === undefined) continue;
      for (const endpoint of slice.endpoints ?? []) {
        if (!wanted(endpoint)) continue;
        for (const address of endpoint.addresses.filter(isIPv4)) {
          const backend = {
            address,
            port: target.port,
            ...(endpoint.nodeName !== undefined && { nodeName: endpoint.nodeName }),
          };
          found.set(`${address}:${target.port}`, backend);
        }
      }
    }
    return [...found.values()].sort((
      a,
      b,
    ) => (a.address < b.address ? -1 : a.address > b.address ? 1 : a.port - b.port));
  };
  const ready = pick((one) => isReadyEndpoint(one) && !one.addresses.some((address) => leaving.has(address)));
  if (ready.length > 0) return ready;
  const staying = pick((one) => isReadyEndpoint(one) || stillServes(one));
  return staying;
}
