/** Kernel settings that a pod may have (docs: "Using sysctls in a Kubernetes Cluster"). Pure. */
import type { Pod } from "@k3ts/model/objects";

/** Those that belong to a namespace of the pod's own and can harm nobody else. */
const SAFE = new Set([
  "kernel.shm_rmid_forced",
  "net.ipv4.ip_local_port_range",
  "net.ipv4.tcp_syncookies",
  "net.ipv4.ping_group_range",
  "net.ipv4.ip_unprivileged_port_start",
  "net.ipv4.ip_local_reserved_ports",
  "net.ipv4.tcp_keepalive_time",
  "net.ipv4.tcp_fin_timeout",
  "net.ipv4.tcp_keepalive_intvl",
  "net.ipv4.tcp_keepalive_probes",
  "net.ipv4.tcp_rmem",
  "net.ipv4.tcp_wmem",
]);

/** Why the pod cannot run here at all, if it asks for a setting that it may not have. */
export function sysctlRefusal(pod: Pod): { reason: string; message: string } | undefined {
  for (const { name } of pod.spec?.securityContext?.sysctls ?? []) {
    // Slashes are another way to write dots.
    const dotted = name.replaceAll("/", ".");
    const because = !SAFE.has(dotted)
      ? "not allowlisted"
      : dotted.startsWith("net.") && pod.spec?.hostNetwork === true
      ? "not allowed with host net enabled"
      : dotted.startsWith("kernel.") && pod.spec?.hostIPC === true
      ? "not allowed with host ipc enabled"
      : undefined;
    if (because !== undefined) return { reason: "SysctlForbidden", message: `forbidden sysctl: "${name}" ${because}` };
  }
  return undefined;
}
