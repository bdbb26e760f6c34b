/** Quality of service (Kubernetes documentation: "Pod Quality of Service Classes"). */
import type { qosClass } from "@k3ts/model/objects";

/**
 * What the kernel's out-of-memory killer is told: the less a container was promised, the earlier it goes
 * (Kubernetes documentation: "Node out of memory behavior").
 *
 * @param least what the node itself may set: a number below its own takes CAP_SYS_RESOURCE (proc(5))
 */
export function oomScoreAdj(
  qos: ReturnType<typeof qosClass>,
  memoryRequestBytes: number,
  nodeMemoryBytes: number,
  least: number,
): number {
  if (qos === "Guaranteed") return Math.max(-997, least);
  if (qos === "BestEffort") return 1000;
  const score = 1000 - Math.floor((1000 * memoryRequestBytes) / Math.max(1, nodeMemoryBytes));
  return Math.min(Math.max(score, 3, least), 999);
}
