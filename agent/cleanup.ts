/**
 * Takes away everything that the agent has made on this machine: containers, mounts, interfaces, rules, cgroups.
 * Carries on where something fails and tells of every error. Images and what the server said stay.
 */
import type { Client } from "@connectrpc/connect";
import type { ImageService, NetworkService, RuntimeService } from "@k3ts/proto";
import { unmountBelow } from "./file_steps.ts";
import { namesIn, removeIfThere } from "./files.ts";
import { podCgroupsPathOf, removeRootCgroup } from "./runtime/cgroups.ts";
import { BRIDGE, LINK_PREFIX, linkOf } from "./network/pod_links.ts";
import type { Paths } from "./paths.ts";

export interface CleanupParts {
  paths: Paths;
  runtime: Client<typeof RuntimeService>;
  images: Client<typeof ImageService>;
  network: Client<typeof NetworkService>;
}

/** @returns what went wrong; nothing of ours is left when it is empty */
export async function removeAll({ paths, runtime, images, network }: CleanupParts): Promise<unknown[]> {
  const errors: unknown[] = [];
  const attempt = async (task: () => Promise<unknown>) => {
    try {
      await task();
    } catch (error) {
      errors.push(error);
    }
  };
  await attempt(async () => {
    const { containers } = await runtime.listContainers({});
    await Promise.all(containers.map(({ id }) => attempt(() => runtime.deleteContainer({ id }))));
  });
  for (const root of [paths.containers, paths.pods]) {
    await attempt(() => images.changeFiles({ steps: [unmountBelow(root)] }));
  }
  const [sandboxes, pods] = await Promise.all([namesIn(paths.sandboxes), namesIn(paths.pods)]);
  await attempt(() => removeLinks(network, sandboxes));
  for (const uid of new Set([...sandboxes, ...pods])) {
    const directory = `${paths.sandboxes}/${uid}`;
    const cgroup = podCgroupsPathOf(paths.cgroupParent, uid);
    await attempt(() => images.unmount({ target: `${directory}/shm` }));
    await attempt(() => runtime.removeSandbox({ directory, cgroup }));
  }
  await attempt(() => network.syncRoutes({}));
  await attempt(() => network.applyRules({ script: "table ip k3ts\ndelete table ip k3ts\n" }));
  await attempt(() => removeRootCgroup(paths.cgroupParent));
  const { targets } = await images.listMounts({ path: paths.node });
  // What is still mounted would lose its content with the folder.
  if (targets.length > 0) {
    errors.push(
      new Error(`Cannot remove the pods' folders as nothing must be mounted there: ${targets.join(", ")} is`),
    );
  } else {for (const path of [paths.containers, paths.pods, paths.sandboxes, paths.addresses]) {
      await attempt(() => removeIfThere(path, { recursive: true }));
    }}
  return errors;
}

/** The bridge goes when no other pods hang on it: another node may run on this machine. */
async function removeLinks(network: Client<typeof NetworkService>, podUids: readonly string[]): Promise<void> {
  for (const uid of podUids) await network.removeLink({ name: linkOf(uid) });
  const { links } = await network.listLinks({ prefix: LINK_PREFIX });
  if (links.length === 0) await network.removeLink({ name: BRIDGE });
}
