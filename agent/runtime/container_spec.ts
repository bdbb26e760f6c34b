/**
 * Turns a container of a pod into an OCI runtime specification.
 *
 * Pure: everything that must be read first (image configuration, accounts, environment, where volumes lie) is given.
 */
import { type Container, type Pod, qosClass, type Volume } from "@k3ts/model/objects";
import { ConfigError } from "../pods/config_error.ts";
import { expand } from "../pods/expand.ts";
import { oomScoreAdj } from "../pods/qos.ts";
import type { OciDevice, OciMount, OciProcess, OciSeccomp, OciSpec, OciUser } from "./oci.ts";
import { limitsOf, memoryRequestBytes } from "./resources.ts";

/** What an image says about the processes that run from it (OCI image specification, config). */
export interface ImageConfig {
  User?: string;
  Env?: string[];
  Entrypoint?: string[] | null;
  Cmd?: string[] | null;
  WorkingDir?: string;
  StopSignal?: string;
}

export interface ContainerInput {
  pod: Pod;
  container: Container;
  image: ImageConfig;
  user: OciUser & { home: string };
  environment: ReadonlyMap<string, string>;
  /** Paths of the sandbox's namespaces; empty where the host's is used. */
  namespaces: { network: string; ipc: string; uts: string; pid?: string };
  hostname: string;
  /** Of this container: where its root is mounted, its termination log. */
  rootfs: string;
  terminationLog: string;
  /** Of the pod. */
  files: { hosts: string; resolvConf: string; hostname: string; sharedMemory: string };
  /** Where each volume's content lies on the host, by mount path; with subPath already resolved. */
  volumeSources: ReadonlyMap<string, string>;
  /** What the cgroup is named after. */
  cgroupsPath: string;
  nodeMemoryBytes: number;
  /** See {@linkcode oomScoreAdj}. */
  oomScoreMin: number;
  /** Sorted. */
  capabilities: readonly string[];
  /** Which system calls it may make; undefined: all. */
  seccomp?: OciSeccomp;
  /** All of the machine's, for a container that may use them. */
  devices?: OciDevice[];
}

const MASKED = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];
const READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export function containerSpec(input: ContainerInput): OciSpec {
  const { pod, container, seccomp, devices } = input;
  const privileged = container.securityContext?.privileged === true;
  const unmasked = privileged || container.securityContext?.procMount === "Unmasked";
  const propagation = rootPropagation(container);
  const limits = limitsOf(container);
  return {
    ociVersion: "1.0.2",
    // Where it is the machine's own, nobody but the machine names it.
    ...(input.namespaces.uts !== "" && { hostname: input.hostname }),
    root: { path: input.rootfs, readonly: container.securityContext?.readOnlyRootFilesystem ?? false },
    process: processOf(input),
    mounts: mountsOf(input),
    linux: {
      namespaces: namespacesOf(input),
      cgroupsPath: input.cgroupsPath,
      resources: { devices: [{ allow: privileged, access: "rwm" }], ...limits },
      ...(!unmasked && { maskedPaths: MASKED, readonlyPaths: READ_ONLY }),
      ...(propagation !== undefined && { rootfsPropagation: propagation }),
      ...(seccomp !== undefined && { seccomp }),
      ...(devices !== undefined && { devices }),
    },
    annotations: {
      "io.k3ts.pod": `${pod.metadata.namespace ?? "default"}/${pod.metadata.name}`,
      "io.k3ts.container": container.name,
    },
  };
}

/** Mounts reach a container, or leave it, only where its root lets them through. */
function rootPropagation(container: Container): "rshared" | "rslave" | undefined {
  const asked = (container.volumeMounts ?? []).map((one) => one.mountPropagation);
  return asked.includes("Bidirectional") ? "rshared" : asked.includes("HostToContainer") ? "rslave" : undefined;
}

function processOf(input: ContainerInput): OciProcess {
  const { pod, container, image, user } = input;
  const capabilities = [...input.capabilities];
  const privileged = container.securityContext?.privileged === true;
  // A process that does not begin as root has only what its file gives it.
  const effective = user.uid === 0 || privileged ? capabilities : [];
  return {
    terminal: container.tty ?? false,
    user: {
      uid: user.uid,
      gid: user.gid,
      ...(user.additionalGids !== undefined && { additionalGids: user.additionalGids }),
    },
    args: argumentsOf(container, image, input.environment),
    env: environmentLines(input),
    cwd: container.workingDir || image.WorkingDir || "/",
    capabilities: { bounding: capabilities, effective, permitted: effective, inheritable: [], ambient: [] },
    ...(container.securityContext?.allowPrivilegeEscalation === false && { noNewPrivileges: true }),
    oomScoreAdj: oomScoreAdj(
      qosClass(pod),
      memoryRequestBytes(container),
      input.nodeMemoryBytes,
      input.oomScoreMin,
    ),
  };
}

/** `command` replaces the entrypoint and drops the image's arguments; `args` replaces only these. */
export function argumentsOf(
  container: Container,
  image: ImageConfig,
  environment: ReadonlyMap<string, string>,
): string[] {
  const command = (container.command ?? []).map((one) => expand(one, environment));
  const args = (container.args ?? []).map((one) => expand(one, environment));
  const all = command.length > 0
    ? [...command, ...args]
    : [...(image.Entrypoint ?? []), ...(args.length > 0 ? args : image.Cmd ?? [])];
  if (all.length === 0) {
    throw new ConfigError(
      `Cannot run container "${container.name}" as it or its image must have a command: both have none`,
    );
  }
  return all;
}

/** The image's, then the pod's; HOME and PATH always. */
function environmentLines({ image, environment, user, hostname }: ContainerInput): string[] {
  const merged = new Map<string, string>();
  for (const line of [DEFAULT_PATH, `HOSTNAME=${hostname}`, ...(image.Env ?? [])]) {
    const at = line.indexOf("=");
    if (at > 0) merged.set(line.slice(0, at), line.slice(at + 1));
  }
  for (const [name, value] of environment) merged.set(name, value);
  if (!merged.has("HOME")) merged.set("HOME", user.home);
  return [...merged].map(([name, value]) => `${name}=${value}`);
}

function namespacesOf({ pod, namespaces }: ContainerInput): { type: string; path?: string }[] {
  const joined = [["network", namespaces.network], ["ipc", namespaces.ipc], ["uts", namespaces.uts]] as const;
  return [
    ...(pod.spec?.hostPID === true
      ? []
      : [{ type: "pid", ...(namespaces.pid !== undefined && { path: namespaces.pid }) }]),
    { type: "mount" },
    { type: "cgroup" },
    ...joined.filter(([, path]) => path !== "").map(([type, path]) => ({ type, path })),
  ];
}

function mountsOf(input: ContainerInput): OciMount[] {
  const { container, files } = input;
  const privileged = container.securityContext?.privileged === true;
  const access = privileged ? "rw" : "ro";
  const asked = volumeMounts(input);
  const taken = new Set(asked.map((one) => one.destination));
  const ours: OciMount[] = [
    { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", access] },
    {
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: ["nosuid", "noexec", "nodev", "relatime", access],
    },
    bind("/dev/shm", files.sharedMemory, "rw"),
    bind("/etc/hosts", files.hosts, "rw"),
    bind("/etc/hostname", files.hostname, "rw"),
    bind("/etc/resolv.conf", files.resolvConf, "rw"),
    bind(container.terminationMessagePath ?? "/dev/termination-log", input.terminationLog, "rw"),
  ];
  // A volume that is mounted over one of ours takes its place. Parents come before what is mounted below them.
  const all = [...ours.filter((one) => !taken.has(one.destination)), ...asked];
  return all.sort((a, b) => depth(a.destination) - depth(b.destination));
}

function volumeMounts({ pod, container, volumeSources }: ContainerInput): OciMount[] {
  // What is replaced file by file is nobody's to write to.
  const readOnly = new Set((pod.spec?.volumes ?? []).filter(isMadeOfFiles).map((volume) => volume.name));
  return (container.volumeMounts ?? []).map((mount) => {
    const source = volumeSources.get(mount.mountPath);
    if (source === undefined) {
      throw new ConfigError(`Cannot mount "${mount.name}" at "${mount.mountPath}" as the pod must have that volume`);
    }
    const propagation = mount.mountPropagation === "Bidirectional"
      ? "rshared"
      : mount.mountPropagation === "HostToContainer"
      ? "rslave"
      : "rprivate";
    const access = mount.readOnly === true || readOnly.has(mount.name) ? "ro" : "rw";
    const bound = bind(mount.mountPath.replace(/(.)\/+$/, "$1"), source, access, propagation);
    const recursive = mount.recursiveReadOnly === "Enabled" || mount.recursiveReadOnly === "IfPossible";
    // KEP-3857: what is mounted below it too.
    return access === "ro" && recursive ? { ...bound, options: [...bound.options ?? [], "rro"] } : bound;
  });
}

function isMadeOfFiles(volume: Volume): boolean {
  return (volume.configMap ?? volume.secret ?? volume.projected ?? volume.downwardAPI ?? volume.image) !== undefined;
}

function bind(destination: string, source: string, access: "ro" | "rw", propagation = "rprivate"): OciMount {
  return { destination, type: "bind", source, options: ["rbind", propagation, access] };
}

function depth(path: string): number {
  return path.split("/").filter((part) => part !== "").length;
}
