/**
 * The control groups of pods: /<parent>/<pod uid>/<container> in every hierarchy. The runtime makes and removes the
 * last part. The parent is the node's own: nodes of one machine may have different ones.
 */
import { namesIn } from "../files.ts";

const ROOT = "/sys/fs/cgroup";
export const CGROUP_PARENT = "k3ts";

/** Below the root of each hierarchy. */
export function podCgroupsPathOf(parent: string, podUid: string): string {
  return `/${parent}/${podUid}`;
}

/** For the OCI runtime. */
export function cgroupsPathOf(parent: string, podUid: string, containerId: string): string {
  return `${podCgroupsPathOf(parent, podUid)}/${containerId}`;
}

/** At most so many processes in a pod, all its containers together; threads count (kubelet's `podPidsLimit`). */
export async function limitProcesses(parent: string, podUid: string, max: number): Promise<void> {
  let isLimited = false;
  for (const root of await roots(parent)) {
    try {
      await Deno.writeTextFile(`${root}/${podUid}/pids.max`, String(max), { create: false });
      isLimited = true;
    } catch (error) {
      // A hierarchy of other controllers, or no hierarchy.
      if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) throw error;
    }
  }
  if (!isLimited) {
    throw new Error(`Cannot limit the processes of pod ${podUid} as its cgroup must have pids.max: none has`);
  }
}

/** The one above all pods, unless another node of this machine uses it. */
export async function removeRootCgroup(parent: string): Promise<void> {
  for (const root of await roots(parent)) await Deno.remove(root).catch(() => {});
}

/** Whether it can be the name of a group that pods' groups are in, right below the root. */
export function isCgroupName(name: string): boolean {
  // Not one of the kernel's own files, which have the controller's name before a dot; nor a hierarchy with cgroup v1.
  return /^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}$/.test(name);
}

/** One hierarchy with cgroup v2, one a controller with v1. */
async function roots(parent: string): Promise<string[]> {
  return [`${ROOT}/${parent}`, ...(await namesIn(ROOT)).map((name) => `${ROOT}/${name}/${parent}`)];
}
