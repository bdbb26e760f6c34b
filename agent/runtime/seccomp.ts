/** Which system calls a container may make (core/v1 SeccompProfile; OCI runtime specification, linux.seccomp). */
import type { Container, Pod } from "@k3ts/model/objects";
import { ConfigError } from "../pods/config_error.ts";
import type { OciSeccomp } from "./oci.ts";
import { ALLOWED, ROWS } from "./seccomp_table.ts";

const EPERM = 1;

export type SeccompChoice = { type: "Unconfined" } | { type: "RuntimeDefault" } | { type: "Localhost"; path: string };

/** The container's own profile, else the pod's, else RuntimeDefault. What is privileged is not confined. Pure. */
export function seccompChoiceOf(pod: Pod, container: Container): SeccompChoice {
  if (container.securityContext?.privileged === true) return { type: "Unconfined" };
  const profile = container.securityContext?.seccompProfile ?? pod.spec?.securityContext?.seccompProfile;
  if (profile === undefined) return { type: "RuntimeDefault" };
  if (profile.type !== "Localhost") return { type: profile.type };
  const path = profile.localhostProfile ?? "";
  if (path === "" || path.startsWith("/") || path.split("/").includes("..")) {
    throw new ConfigError(`Cannot use seccomp profile "${path}" as its path must lie in the node's seccomp folder`);
  }
  return { type: "Localhost", path };
}

/** The profile RuntimeDefault for a container with these capabilities. Pure. */
export function defaultSeccomp(capabilities: readonly string[], architecture = Deno.build.arch): OciSeccomp {
  const node = architecture === "aarch64" ? "arm64" : "amd64";
  const has = new Set(capabilities);
  const rows = ROWS.filter((row) =>
    (row.architectures?.includes(node) ?? true) && (row.capabilities?.some((one) => has.has(one)) ?? true) &&
    (row.without === undefined || !has.has(row.without))
  );
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: EPERM,
    // Programs of the older, smaller machine run too. Those of x32 do not: nobody has any, and each architecture more
    // costs 4 ms of every container's start.
    architectures: node === "arm64" ? ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"] : ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
    syscalls: [
      { names: ALLOWED, action: "SCMP_ACT_ALLOW" },
      ...rows.map((row) => ({
        names: row.names,
        action: row.errno === undefined ? "SCMP_ACT_ALLOW" : "SCMP_ACT_ERRNO",
        ...(row.errno !== undefined && { errnoRet: row.errno }),
        ...(row.args !== undefined && { args: [row.args] }),
      })),
    ],
  };
}

/** @param folder where the node's own profiles lie, as OCI specifies linux.seccomp */
export async function readSeccomp(folder: string, path: string): Promise<OciSeccomp> {
  const file = `${folder}/${path}`;
  try {
    const profile = JSON.parse(await Deno.readTextFile(file)) as Partial<OciSeccomp>;
    if (typeof profile.defaultAction === "string") return profile as OciSeccomp;
  } catch (error) {
    throw new ConfigError(`Cannot read seccomp profile "${file}" as it must be a file of JSON`, { cause: error });
  }
  throw new ConfigError(`Cannot use seccomp profile "${file}" as it must have a defaultAction`);
}
