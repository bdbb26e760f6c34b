/** Where things lie: all under the data directory, but for the kernel's cgroups. */
import { CGROUP_PARENT } from "./runtime/cgroups.ts";

/** The paths of one node, all absolute. */
export interface Paths {
  dataDir: string;
  node: string;
  token: string;
  nodeName: string;
  /** Why this machine was not let in, after it has tried. */
  refusal: string;
  /** With its key beside it, `.key`. */
  nodeCertificate: string;
  caCertificate: string;
  state: string;
  images: string;
  /** Mirrors and passwords for image registries; the user's to write. */
  registries: string;
  addresses: string;
  dnsSnapshot: string;
  agentSocket: string;
  dataplaneSocket: string;
  pods: string;
  /** Seccomp profiles that pods name as Localhost. */
  seccomp: string;
  sandboxes: string;
  containers: string;
  /** What the container runtime keeps. */
  runtimeState: string;
  /** Which runtime that is: crun, runc or the path of one. */
  runtimeName: string;
  /** The cgroup that those of pods are in, below the root of every hierarchy. */
  cgroupParent: string;
}

export function pathsOf(dataDir: string, cgroupParent: string = CGROUP_PARENT): Paths {
  const node = `${dataDir}/node`;
  return {
    dataDir,
    node,
    token: `${node}/token`,
    nodeName: `${node}/name`,
    refusal: `${node}/refused`,
    nodeCertificate: `${node}/node.crt`,
    caCertificate: `${node}/ca.crt`,
    state: `${node}/state`,
    images: `${node}/images`,
    registries: `${dataDir}/registries.yaml`,
    addresses: `${node}/addresses.json`,
    dnsSnapshot: `${node}/dns.snapshot`,
    agentSocket: `${dataDir}/run/agent.sock`,
    dataplaneSocket: `${dataDir}/run/dataplane.sock`,
    pods: `${node}/pods`,
    seccomp: `${node}/seccomp`,
    sandboxes: `${node}/sandboxes`,
    containers: `${node}/containers`,
    runtimeState: `${dataDir}/run/runtime`,
    runtimeName: `${node}/runtime`,
    cgroupParent,
  };
}

/** The directories of one pod. Keyed by uid, so that two pods of one name share nothing. */
export interface PodPaths {
  directory: string;
  volumes: string;
  logs: string;
  hosts: string;
  resolvConf: string;
  hostname: string;
  sandbox: string;
  sharedMemory: string;
  record: string;
}

export function podPathsOf(paths: Paths, uid: string): PodPaths {
  const directory = `${paths.pods}/${uid}`;
  return {
    directory,
    volumes: `${directory}/volumes`,
    logs: `${directory}/logs`,
    hosts: `${directory}/hosts`,
    resolvConf: `${directory}/resolv.conf`,
    hostname: `${directory}/hostname`,
    sandbox: `${paths.sandboxes}/${uid}`,
    sharedMemory: `${paths.sandboxes}/${uid}/shm`,
    record: `${directory}/pod.json`,
  };
}

/** Where the log of one attempt of a container lies, in CRI format. */
export function logPathOf(pod: PodPaths, container: string, attempt: number): string {
  return `${pod.logs}/${container}/${attempt}.log`;
}
