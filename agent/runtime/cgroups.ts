/** The control groups of pods: /k3ts/<pod uid>/<container> in every hierarchy. The runtime makes and removes the last part. */
import { namesIn } from "../files.ts";

const ROOT = "/sys/fs/cgroup";

/** For the OCI runtime: below the root of each hierarchy. */
export function cgroupsPathOf(podUid: string, containerId: string): string {
  return `/k3ts/${podUid}/${containerId}`;
}

/** What is left of a pod whose containers have been removed. */
export async function removePodCgroup(podUid: string): Promise<void> {
  for (const root of await roots()) await removeTree(`${root}/${podUid}`);
}

/** The one above all pods, unless another node of this machine uses it. */
export async function removeRootCgroup(): Promise<void> {
  for (const root of await roots()) await Deno.remove(root).catch(() => {});
}

/** One hierarchy with cgroup v2, one a controller with v1. */
async function roots(): Promise<string[]> {
  return [`${ROOT}/k3ts`, ...(await namesIn(ROOT)).map((name) => `${ROOT}/${name}/k3ts`)];
}

/** The files in them are the kernel's and go with them. */
async function removeTree(path: string): Promise<void> {
  const below: string[] = [];
  try {
    for await (const entry of Deno.readDir(path)) if (entry.isDirectory) below.push(entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return;
    throw error;
  }
  for (const name of below) await removeTree(`${path}/${name}`);
  await Deno.remove(path);
}
