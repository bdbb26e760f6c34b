/**
 * A container's resources as cgroup limits (Kubernetes documentation: "Resource Management for Pods and
 * Containers"). Pure.
 */
import type { Container } from "@k3ts/model/objects";
import { amountOf } from "../pods/amount.ts";
import type { OciLinux } from "./oci.ts";

const PERIOD_US = 100_000;
/** Less than this and the kernel refuses the quota. */
const QUOTA_US_MIN = 1_000;
const SHARES_MIN = 2;
const SHARES_MAX = 262_144;

export function limitsOf(container: Container): OciLinux["resources"] {
  const limits = container.resources?.limits ?? {};
  const requests = container.resources?.requests ?? {};
  const cpuLimit = limits.cpu === undefined ? undefined : amountOf(limits.cpu);
  const cpuRequest = requests.cpu === undefined ? cpuLimit : amountOf(requests.cpu);
  const memory = limits.memory === undefined ? undefined : Math.floor(amountOf(limits.memory));
  return {
    cpu: {
      shares: Math.min(Math.max(Math.floor((cpuRequest ?? 0) * 1024), SHARES_MIN), SHARES_MAX),
      ...(cpuLimit !== undefined && cpuLimit > 0 && {
        quota: Math.max(Math.floor(cpuLimit * PERIOD_US), QUOTA_US_MIN),
        period: PERIOD_US,
      }),
    },
    ...(memory !== undefined && memory > 0 && { memory: { limit: memory } }),
  };
}

/** Bytes of memory that the container asks for: the request, else the limit, else none. */
export function memoryRequestBytes(container: Container): number {
  const given = container.resources?.requests?.memory ?? container.resources?.limits?.memory;
  return given === undefined ? 0 : amountOf(given);
}
