/** What a pod may learn about itself (Kubernetes documentation: "Downward API"). Pure. */
import type { Container, Pod } from "@k3ts/model/objects";
import { amountOf } from "./amount.ts";

export interface DownwardInput {
  pod: Pod;
  hostAddress: string;
  podAddress?: string;
}

/** The value of a field path such as metadata.labels['app']; an unknown path is an error that names it. */
export function fieldOf({ pod, hostAddress, podAddress }: DownwardInput, path: string): string {
  const { metadata, spec } = pod;
  const keyed = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(path);
  if (keyed !== null) return metadata[keyed[1] as "labels" | "annotations"]?.[keyed[2]!] ?? "";
  switch (path) {
    case "metadata.name":
      return metadata.name;
    case "metadata.namespace":
      return metadata.namespace ?? "default";
    case "metadata.uid":
      return metadata.uid ?? "";
    case "metadata.labels":
      return quoted(metadata.labels);
    case "metadata.annotations":
      return quoted(metadata.annotations);
    case "spec.nodeName":
      return spec?.nodeName ?? "";
    case "spec.serviceAccountName":
      return spec?.serviceAccountName ?? "default";
    case "status.hostIP":
    case "status.hostIPs":
      return hostAddress;
    case "status.podIP":
    case "status.podIPs":
      return podAddress ?? "";
    default:
      throw new Error(
        `Cannot read field "${path}" of pod "${metadata.namespace}/${metadata.name}" as it must be one that the downward API has`,
      );
  }
}

/** One `key="value"` a line, sorted. */
function quoted(values: Record<string, string> | undefined): string {
  return Object.entries(values ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`).join("\n");
}

/** `limits.cpu` and its like, divided and rounded up; what is not limited is what the node has. */
export function resourceOf(
  container: Container,
  resource: string,
  divisor: string | number | undefined,
  node: { cpuCores: number; memoryBytes: number },
): string {
  const [where, ...rest] = resource.split(".");
  const name = rest.join(".");
  const limits = container.resources?.limits ?? {};
  const requests = container.resources?.requests ?? {};
  const given = where === "limits" ? limits[name] : requests[name] ?? limits[name];
  const fallback = where === "requests" ? 0 : name === "cpu" ? node.cpuCores : name === "memory" ? node.memoryBytes : 0;
  const amount = given === undefined ? fallback : amountOf(given);
  const by = divisor === undefined || String(divisor) === "0" || divisor === "" ? 1 : amountOf(divisor);
  return String(Math.ceil(amount / by));
}
