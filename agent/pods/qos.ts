/** Quality of service (Kubernetes documentation: "Pod Quality of Service Classes"). */
import type { Container, Pod } from "@k3ts/model";

export type QosClass = "Guaranteed" | "Burstable" | "BestEffort";

export function qosClassOf(pod: Pod): QosClass {
  const containers: Container[] = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  const counted = ["cpu", "memory"] as const;
  const any = containers.some((one) =>
    counted.some((name) => one.resources?.requests?.[name] !== undefined || one.resources?.limits?.[name] !== undefined)
  );
  if (!any) return "BestEffort";
  const guaranteed = containers.every((one) =>
    counted.every((name) => {
      const limit = one.resources?.limits?.[name];
      const request = one.resources?.requests?.[name] ?? limit;
      return limit !== undefined && String(request) === String(limit);
    })
  );
  return guaranteed ? "Guaranteed" : "Burstable";
}

/**
 * What the kernel's out-of-memory killer is told: the less a container was promised, the earlier it goes
 * (Kubernetes documentation: "Node out of memory behavior").
 */
export function oomScoreAdj(qos: QosClass, memoryRequestBytes: number, nodeMemoryBytes: number): number {
  if (qos === "Guaranteed") return -997;
  if (qos === "BestEffort") return 1000;
  const score = 1000 - Math.floor((1000 * memoryRequestBytes) / Math.max(1, nodeMemoryBytes));
  return Math.min(Math.max(score, 3), 999);
}
