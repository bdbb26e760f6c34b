/** What the containers of a pod share: namespaces, an address, and the files that all of them see. */
import { dirname } from "node:path";
import type { Pod, WallTime } from "@k3ts/model/objects";
import { type FileStep, makeDirectory, mount, removeTree, unmount, writeInPlace, writeWhole } from "../file_steps.ts";
import { readHostFile, readJsonIfWhole } from "../files.ts";
import { podPathsOf } from "../paths.ts";
import { podCgroupsPathOf } from "../runtime/cgroups.ts";
import { hostsFile, kernelHostnameOf, resolvConf, withAliases } from "../runtime/pod_files.ts";
import type { NodeParts } from "./machine_parts.ts";

/** D/node/sandboxes/<uid>/sandbox.json: written last, so that what is not whole is made again. */
export interface Sandbox {
  version: 1;
  bootId: string;
  createdAt: WallTime;
  address?: string;
  /** What the kernel calls it; the machine's own name on its network. */
  hostname?: string;
  namespaces: { network: string; ipc: string; uts: string; pid?: string };
}

type Parts = Pick<NodeParts, "paths" | "runtime" | "mounts" | "network" | "node" | "table" | "clock">;

/** Undefined where there is none that still lives, or that is not whole. */
export async function readSandbox(
  parts: Pick<NodeParts, "paths" | "node" | "log">,
  uid: string,
): Promise<Sandbox | undefined> {
  const file = await readJsonIfWhole<Sandbox>(
    `${podPathsOf(parts.paths, uid).sandbox}/sandbox.json`,
    (error) => parts.log.error("What is known of a pod's namespaces is lost: they are made again", error),
  );
  return file?.version === 1 && file.bootId === parts.node.bootId ? file : undefined;
}

/** Whether its namespaces are still mounted: else the files that they were mounted on are what is left. */
export function isPinned({ namespaces }: Sandbox): boolean {
  return Object.values(namespaces).filter((path) => path !== "").every((path) => {
    try {
      const found = Deno.statSync(path);
      if (found.dev === Deno.statSync(dirname(path)).dev) return false;
      if (path !== namespaces.pid) return true;
      // This one ends with its first process.
      const first = Deno.readTextFileSync(`${dirname(path)}/pause.pid`).trim();
      return Deno.statSync(`/proc/${first}/ns/pid`).ino === found.ino;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  });
}

export async function createSandbox(parts: Parts, pod: Pod): Promise<Sandbox> {
  const { uid } = pod.metadata;
  const paths = podPathsOf(parts.paths, uid);
  const hostNetwork = pod.spec?.hostNetwork === true;
  const hostname = hostNetwork ? Deno.hostname() : kernelHostnameOf(pod, parts.network.facts.clusterDomain);
  const made = await parts.runtime.createSandbox({
    directory: paths.sandbox,
    hostname,
    hostNetwork,
    hostIpc: pod.spec?.hostIPC === true,
    sysctls: sysctlsOf(pod),
    sharedProcesses: pod.spec?.shareProcessNamespace === true,
  });
  const address = hostNetwork ? undefined : await parts.network.attach(uid, made.networkNamespace);
  const sandbox: Sandbox = {
    version: 1,
    bootId: parts.node.bootId,
    // After all that is of another one.
    createdAt: Math.max(parts.clock.wall(), ...parts.table.of(uid).map((one) => one.createdAt + 1)),
    hostname,
    ...(address !== undefined && { address }),
    namespaces: {
      network: made.networkNamespace,
      ipc: made.ipcNamespace,
      uts: made.utsNamespace,
      ...(made.pidNamespace !== "" && { pid: made.pidNamespace }),
    },
  };
  await parts.mounts.changeFiles({
    steps: [
      // What another one has left: a second mount would hide it.
      unmount(paths.sharedMemory),
      mount({ type: "tmpfs", source: "shm", target: paths.sharedMemory, options: SHARED_MEMORY }),
      ...planPodFiles(parts, pod, address ?? parts.node.address, hostname),
      writeWhole(`${paths.sandbox}/sandbox.json`, JSON.stringify(sandbox), { sync: false }),
    ],
  });
  return sandbox;
}

const SHARED_MEMORY = ["nosuid", "nodev", "noexec", "mode=1777", "size=67108864"];

/** Carries on where a part of it is gone already. */
export async function removeSandbox(parts: Parts, uid: string): Promise<void> {
  const paths = podPathsOf(parts.paths, uid);
  await parts.network.detach(uid);
  await parts.runtime.removeSandbox({
    directory: paths.sandbox,
    cgroup: podCgroupsPathOf(parts.paths.cgroupParent, uid),
  });
  await parts.mounts.changeFiles({ steps: [unmount(paths.sharedMemory), removeTree(paths.sandbox)] });
}

/** Whoever a container runs as must be able to read them. Written in place: they may be mounted already. */
function planPodFiles(parts: Parts, pod: Pod, address: string, hostname: string): FileStep[] {
  const paths = podPathsOf(parts.paths, pod.metadata.uid);
  const { dnsAddress, clusterDomain } = parts.network.facts;
  const hosts = pod.spec?.hostNetwork === true
    ? withAliases(readHostFile("/etc/hosts"), pod)
    : hostsFile(pod, address, clusterDomain);
  const resolving = resolvConf(pod, readHostFile("/etc/resolv.conf"), { address: dnsAddress, domain: clusterDomain });
  return [
    makeDirectory(paths.directory, 0o755),
    writeInPlace(paths.hosts, hosts, { mode: 0o644 }),
    writeInPlace(paths.hostname, `${hostname}\n`, { mode: 0o644 }),
    writeInPlace(paths.resolvConf, resolving, { mode: 0o644 }),
  ];
}

function sysctlsOf(pod: Pod): Record<string, string> {
  const sysctls: Record<string, string> = {};
  // Containers may listen on any port of their own, whoever they run as.
  if (pod.spec?.hostNetwork !== true) sysctls["net.ipv4.ip_unprivileged_port_start"] = "0";
  for (const { name, value } of pod.spec?.securityContext?.sysctls ?? []) sysctls[name.replaceAll("/", ".")] = value;
  return sysctls;
}
