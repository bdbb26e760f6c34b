/** Files that only root may read, written whole or not at all. */

import { dirname } from "node:path";

/** Makes a folder that only its owner may enter. */
export async function ensureFolder(path: string): Promise<void> {
  await Deno.mkdir(path, { recursive: true, mode: 0o700 });
}

export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Durable and atomic: whoever reads sees the old text or the new, also after a loss of power. */
export async function writeSecret(path: string, text: string): Promise<void> {
  const next = `${path}.next`;
  await Deno.remove(next).catch(ignoreMissing);
  await Deno.writeTextFile(next, text, { createNew: true, mode: 0o600 });
  await sync(next);
  await Deno.rename(next, path);
  await sync(dirname(path));
}

/** Of a file or a folder. */
async function sync(path: string): Promise<void> {
  const file = await Deno.open(path);
  try {
    await file.sync();
  } finally {
    file.close();
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
