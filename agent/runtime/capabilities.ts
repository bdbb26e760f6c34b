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

/** All of Linux 5.9 and later, by their numbers (linux/capability.h). */
const ALL = [
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE",
  "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN",
  "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE",
  "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE",
].join(" ").split(" ").map((name) => `CAP_${name}`);

/** Those that a process has, from its /proc/PID/status: nobody can give what he has not. */
export function capabilitiesIn(status: string): string[] {
  const held = BigInt(`0x${/^CapPrm:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  return ALL.filter((_, number) => ((held >> BigInt(number)) & 1n) === 1n);
}

/**
 * Sorted.
 *
 * @param available what the node itself has: all that a privileged container, or one that adds ALL, can get
 */
export function capabilitiesOf(container: Container, available: readonly string[] = ALL): string[] {
  const context = container.securityContext;
  if (context?.privileged === true) return [...available].sort();
  const added = (context?.capabilities?.add ?? []).map(named);
  const dropped = (context?.capabilities?.drop ?? []).map(named);
  const base = added.includes("CAP_ALL") ? available : dropped.includes("CAP_ALL") ? [] : DEFAULT;
  const set = new Set([...base, ...added.filter((one) => one !== "CAP_ALL")]);
  for (const one of dropped) if (!added.includes(one)) set.delete(one);
  return [...set].sort();
}

/** Kubernetes writes NET_ADMIN, the kernel CAP_NET_ADMIN. */
function named(name: string): string {
  const upper = name.toUpperCase();
  return upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
}
