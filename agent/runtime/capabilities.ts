/** Linux capabilities of containers (Kubernetes documentation: "Set capabilities for a Container"). Pure. */
import type { Container } from "@k3ts/model/objects";

/** What a container has unless it asks otherwise: the set that Docker and containerd chose. */
const DEFAULT = [
  "CAP_AUDIT_WRITE",
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_MKNOD",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_RAW",
  "CAP_SETFCAP",
  "CAP_SETGID",
  "CAP_SETPCAP",
  "CAP_SETUID",
  "CAP_SYS_CHROOT",
];

/** All of Linux 5.9 and later. */
const ALL = [
  ...DEFAULT,
  "CAP_AUDIT_CONTROL",
  "CAP_AUDIT_READ",
  "CAP_BLOCK_SUSPEND",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
  "CAP_DAC_READ_SEARCH",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_LEASE",
  "CAP_LINUX_IMMUTABLE",
  "CAP_MAC_ADMIN",
  "CAP_MAC_OVERRIDE",
  "CAP_NET_ADMIN",
  "CAP_NET_BROADCAST",
  "CAP_PERFMON",
  "CAP_SYSLOG",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_MODULE",
  "CAP_SYS_NICE",
  "CAP_SYS_PACCT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_WAKE_ALARM",
];

/** Sorted. `root`: whether the container starts as uid 0; all others lose the effective set on exec. */
export function capabilitiesOf(container: Container): string[] {
  const context = container.securityContext;
  if (context?.privileged === true) return [...ALL].sort();
  const added = (context?.capabilities?.add ?? []).map(named);
  const dropped = (context?.capabilities?.drop ?? []).map(named);
  const base = added.includes("CAP_ALL") ? ALL : dropped.includes("CAP_ALL") ? [] : DEFAULT;
  const set = new Set([...base, ...added.filter((one) => one !== "CAP_ALL")]);
  for (const one of dropped) if (!added.includes(one)) set.delete(one);
  return [...set].sort();
}

/** Kubernetes writes NET_ADMIN, the kernel CAP_NET_ADMIN. */
function named(name: string): string {
  const upper = name.toUpperCase();
  return upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
}
