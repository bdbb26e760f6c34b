/** Takes mounts away, and folders only when nothing is mounted in them: what is mounted is not the folder's. */
import type { Client } from "@connectrpc/connect";
import type { ImageService } from "@k3ts/proto";
import { exists, removeIfThere } from "../files.ts";

type Native = Pick<Client<typeof ImageService>, "listMounts" | "unmount">;

/** Every mount at or below the path, deepest first. */
export async function unmountBelow(native: Native, path: string): Promise<void> {
  const { targets } = await native.listMounts({ path });
  for (const target of targets) await native.unmount({ target });
}

/**
 * Removes a folder with all that is in it.
 * @throws when something is still mounted there
 */
export async function removeUnmounted(native: Native, path: string): Promise<void> {
  if (!await exists(path)) return;
  await unmountBelow(native, path);
  const { targets } = await native.listMounts({ path });
  if (targets.length > 0) {
    throw new Error(`Cannot remove "${path}" as nothing must be mounted there: ${targets.join(", ")} is`);
  }
  await removeIfThere(path, { recursive: true });
}
