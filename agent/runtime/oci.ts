/** The parts of the OCI runtime specification 1.2 (config.md, config-linux.md) that we write. */

export interface OciSpec {
  ociVersion: string;
  hostname?: string;
  root: { path: string; readonly: boolean };
  process: OciProcess;
  mounts: OciMount[];
  linux: OciLinux;
  annotations?: Record<string, string>;
}

export interface OciProcess {
  terminal: boolean;
  /** In characters. */
  consoleSize?: { width: number; height: number };
  user: OciUser;
  args: string[];
  env: string[];
  cwd: string;
  capabilities: Record<"bounding" | "effective" | "permitted" | "inheritable" | "ambient", string[]>;
  /** Runtimes tell false from absent (youki then needs rights to confine that it no longer has). */
  noNewPrivileges?: true;
  oomScoreAdj?: number;
  rlimits?: { type: string; hard: number; soft: number }[];
}

export interface OciUser {
  uid: number;
  gid: number;
  additionalGids?: number[];
}

export interface OciMount {
  destination: string;
  type?: string;
  source?: string;
  options?: string[];
}

export interface OciSeccompArgument {
  index: number;
  value: number;
  valueTwo?: number;
  op: "SCMP_CMP_LT" | "SCMP_CMP_EQ" | "SCMP_CMP_GT" | "SCMP_CMP_MASKED_EQ";
}

export interface OciSeccomp {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  syscalls?: {
    names: readonly string[];
    action: string;
    errnoRet?: number;
    args?: OciSeccompArgument[];
  }[];
}

export interface OciDevice {
  path: string;
  type: "c" | "b";
  major: number;
  minor: number;
  fileMode: number;
  uid: number;
  gid: number;
}

export interface OciLinux {
  namespaces: { type: string; path?: string }[];
  cgroupsPath: string;
  /** How mounts travel between the container and the machine. */
  rootfsPropagation?: "rprivate" | "rslave" | "rshared";
  seccomp?: OciSeccomp;
  devices?: OciDevice[];
  resources: {
    devices?: { allow: boolean; access: string }[];
    cpu?: { shares?: number; quota?: number; period?: number };
    memory?: { limit?: number };
  };
  maskedPaths?: string[];
  readonlyPaths?: string[];
  sysctl?: Record<string, string>;
}
