import { openImages, openNative } from "@k3ts/ffi";
import type { Files } from "../file_steps.ts";

/** A folder for a test, and what changes files there as in an agent. */
export async function inDirectory(task: (directory: string, files: Files) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "k3" });
  await using native = await openNative();
  try {
    await task(directory, openImages(native));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
