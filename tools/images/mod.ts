/**
 * The images that the conformance suite uses, made on this machine: no image registry is asked.
 *
 * ```ts
 * const folders = await ensureImages(["agnhost:2.59", "pause"]);
 * await machine.k3ts("image", "import", folders.get("registry.k8s.io/pause:3.10.1")!);
 * ```
 */
import { makeImages, type Say } from "./make.ts";
import { IMAGES, imagesNamed } from "./table.ts";

export { IMAGES } from "./table.ts";

/**
 * @param names of the table, or ends of them; @default all
 * @param say told of everything that takes time
 * @returns by full name, where the image lies: a folder in the OCI image layout, which `k3ts image import` takes
 */
export async function ensureImages(
  names: readonly string[] = [],
  say: Say = console.error,
): Promise<Map<string, string>> {
  return await makeImages(names.length === 0 ? IMAGES : imagesNamed(names), say);
}
