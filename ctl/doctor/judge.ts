/** From what was measured to what it means. Pure. */
import { findCondition, formatAge, type Node, type Pod } from "@k3ts/model/objects";
import { type Finding, ok, problem, warning } from "./finding.ts";

export interface Space {
  path: string;
  /** Bytes. */
  free: number;
  total: number;
  /** 0: the filesystem does not count them. */
  inodes: number;
  freeInodes: number;
}

const GIB = 1024 ** 3;
/** Below: writes may fail at any moment. */
const FREE_BYTES_MIN = GIB / 2;
/** Parts of the whole. At 15 % free nodes begin to remove images. */
const FREE_LITTLE = 0.15;
const FREE_NONE = 0.03;

export function judgeSpace({ path, free, total, inodes, freeInodes }: Space): Finding {
  const subject = "disk space";
  const part = total === 0 ? 1 : free / total;
  const said = `${(free / GIB).toFixed(1)} GiB of ${(total / GIB).toFixed(1)} GiB are free for ${path}`;
  const next = "Make room: remove what is not needed, such as images that no pod uses.";
  if (inodes > 0 && freeInodes / inodes < FREE_NONE) {
    return problem(subject, `Only ${freeInodes} more files fit on the disk of ${path}.`, next);
  }
  if (free < FREE_BYTES_MIN || part < FREE_NONE) return problem(subject, `${said}: too little.`, next);
  return part < FREE_LITTLE ? warning(subject, `${said}.`, next) : ok(subject, `${said}.`);
}

const MEMORY_BYTES_MIN = 256 * 1024 ** 2;

/** @param text `/proc/meminfo` */
export function judgeMemory(text: string): Finding {
  const kilobytes = Number(/^MemAvailable: +(\d+) kB$/m.exec(text)?.[1] ?? NaN);
  const said = `${(kilobytes / 1024 ** 2).toFixed(1)} GiB can be used`;
  if (kilobytes * 1024 >= MEMORY_BYTES_MIN) return ok("memory", `${said}.`);
  return warning(
    "memory",
    `${said}: the kernel may soon end processes.`,
    "See what uses it: ps aux --sort -rss | head",
  );
}

/** `pidfd_getfd(2)`, with which a new supervisor takes over the sockets of an old one. */
const KERNEL_MIN = [5, 6] as const;

/** @param release `/proc/sys/kernel/osrelease` */
export function judgeKernel(release: string): Finding {
  const [major = 0, minor = 0] = release.split(".").map(Number);
  const isNew = major > KERNEL_MIN[0] || major === KERNEL_MIN[0] && minor >= KERNEL_MIN[1];
  if (isNew) return ok("kernel", `Linux ${release.trim()}.`);
  return problem("kernel", `Linux ${release.trim()} is too old.`, `Use Linux ${KERNEL_MIN.join(".")} or later.`);
}

const SKEW_MS_LITTLE = 5_000;
const SKEW_MS_MUCH = 60_000;

/** @param skewMs how far the server's clock is ahead of ours; a second of it is rounding */
export function judgeSkew(skewMs: number): Finding {
  const off = Math.abs(skewMs);
  if (off < SKEW_MS_LITTLE) return ok("clock", "It agrees with the server's.");
  const said = `It is ${formatAge(off)} ${skewMs > 0 ? "behind" : "ahead of"} the server's.`;
  const next = "Set both by NTP: timedatectl set-ntp true";
  return off < SKEW_MS_MUCH
    ? warning("clock", said, next)
    : problem("clock", `${said} Certificates and tokens may not be accepted, and nodes seem lost.`, next);
}

/** @param ipForward `/proc/sys/net/ipv4/ip_forward` */
export function judgeForwarding(ipForward: string): Finding {
  const subject = "forwarding";
  if (ipForward.trim() === "1") return ok(subject, "The kernel forwards what pods send and get.");
  return problem(
    subject,
    `The kernel forwards nothing (net.ipv4.ip_forward is ${ipForward.trim()}): pods reach nothing but their own node.`,
    "Switch it on: sysctl -w net.ipv4.ip_forward=1; and see what switches it off: grep -r ip_forward /etc/sysctl*",
  );
}

/** The node's one table of packet rules. */
const TABLE = "k3ts";

/** @param tables what `nft -j list tables ip` says */
export function judgePacketRules(tables: string): Finding {
  const subject = "packet rules";
  const { nftables } = JSON.parse(tables) as { nftables: { table?: { name?: string } }[] };
  if (nftables.some(({ table }) => table?.name === TABLE)) return ok(subject, "Those of Services and pods are there.");
  return problem(
    subject,
    `The table ip ${TABLE} of nftables is gone: Services lead nowhere, and pods do not reach other machines.`,
    "The agent makes it anew within seconds of its loss: see logs/agent.log, and who flushes it: systemctl status nftables",
  );
}

export interface Certificate {
  /** Where it lies. */
  source: string;
  /** ms since the epoch. */
  notBefore: number;
  notAfter: number;
}

/** The components renew theirs at two thirds of their life. */
const LIFE_LEFT_MIN = 0.2;

export function judgeCertificate({ source, notBefore, notAfter }: Certificate, now: number): Finding {
  const subject = "certificate";
  if (now < notBefore) {
    return problem(
      subject,
      `${source} becomes valid only in ${formatAge(notBefore - now)}.`,
      "Is this machine's clock right? See: timedatectl",
    );
  }
  const left = notAfter - now;
  if (left <= 0) {
    return problem(subject, `${source} has expired ${formatAge(-left)} ago.`, renewal(source));
  }
  if (left / (notAfter - notBefore) < LIFE_LEFT_MIN) {
    return warning(subject, `${source} expires in ${formatAge(left)}.`, renewal(source));
  }
  return ok(subject, `${source} is valid for ${formatAge(left)}.`);
}

function renewal(source: string): string {
  if (source.endsWith("/ca.crt")) return "The cluster's authority ends: make a new cluster in time and move to it.";
  if (source.endsWith("/node.crt")) return "The agent renews it while it reaches the server: see logs/agent.log.";
  if (source.endsWith("/server.crt")) return "The server renews it: restart it with `k3ts down` and `k3ts up`.";
  return "Get a new kubeconfig from where the server runs: k3ts kubeconfig";
}

/** An exit a minute ago or less, with others before it, is a process that does not come up. */
const RECENT_MS = 60_000;

export interface SupervisedStatus {
  name: string;
  running: boolean;
  restarts: number;
  startedAtMs: number;
  lastExit: string;
}

export function judgeProcess(
  { name, running, restarts, startedAtMs, lastExit }: SupervisedStatus,
  now: number,
  log: string,
): Finding {
  const subject = name;
  const next = `See why: tail ${log}`;
  if (!running) return problem(subject, `It does not run${lastExit && `: it ended with ${lastExit}`}.`, next);
  const age = now - startedAtMs;
  const said = `It has run for ${formatAge(age)}`;
  if (restarts === 0) return ok(subject, `${said}.`);
  const again = `${said}; it was started again ${restarts} times${lastExit && `, last after ${lastExit}`}.`;
  return age < RECENT_MS ? problem(subject, again, next) : warning(subject, again, next);
}

const PRESSURES = ["MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"];

export function judgeNode({ metadata: { name }, spec, status }: Node): Finding {
  const subject = `node ${name}`;
  const ready = findCondition(status?.conditions, "Ready");
  const next = `See why: k3ts describe node ${name}; on that machine: k3ts doctor`;
  if (ready?.status !== "True") {
    return problem(
      subject,
      `It is not ready: ${ready?.message || ready?.reason || "it has not said anything yet"}`,
      next,
    );
  }
  const pressures = PRESSURES.flatMap((type) => {
    const condition = findCondition(status?.conditions, type);
    return condition?.status === "True" ? [`${type}: ${condition.message ?? ""}`] : [];
  });
  if (pressures.length > 0) return warning(subject, pressures.join("\n"), next);
  if (spec?.unschedulable) return warning(subject, "It takes no new pods.", `Let it: k3ts uncordon ${name}`);
  return ok(subject, "It is ready.");
}

/** How many pods are named. */
const PODS_MAX = 5;
/** Reasons that do not go away by themselves. */
const STUCK = [
  "CrashLoopBackOff",
  "ImagePullBackOff",
  "ErrImagePull",
  "ErrImageNeverPull",
  "InvalidImageName",
  "CreateContainerConfigError",
  "CreateContainerError",
  "RunContainerError",
];
/** A pod may wait for so long for a node. */
const PENDING_MS_MAX = 60_000;

/** @returns nothing for a cluster without pods that need somebody */
export function judgePods(pods: readonly Pod[], now: number): Finding[] {
  const stuck = pods.flatMap((pod) => {
    const reason = reasonOf(pod, now);
    return reason === undefined ? [] : [`${pod.metadata.namespace}/${pod.metadata.name}: ${reason}`];
  });
  if (stuck.length === 0) return [ok("pods", `${pods.length}, none of which needs help.`)];
  const more = stuck.length > PODS_MAX ? [`and ${stuck.length - PODS_MAX} more`] : [];
  return [
    warning(
      "pods",
      [...stuck.slice(0, PODS_MAX), ...more].join("\n"),
      "See why: k3ts describe pod NAME -n NAMESPACE, k3ts logs -p NAME -n NAMESPACE",
    ),
  ];
}

function reasonOf({ metadata, status }: Pod, now: number): string | undefined {
  const containers = [...status?.initContainerStatuses ?? [], ...status?.containerStatuses ?? []];
  for (const { name, state } of containers) {
    const { reason, message } = state?.waiting ?? {};
    if (reason !== undefined && STUCK.includes(reason)) return `${name} ${reason}${message ? `: ${message}` : ""}`;
  }
  const scheduled = findCondition(status?.conditions, "PodScheduled");
  const age = now - Date.parse(metadata.creationTimestamp ?? "");
  if (scheduled?.status === "False" && age > PENDING_MS_MAX) return `no node: ${scheduled.message ?? ""}`;
  return undefined;
}
