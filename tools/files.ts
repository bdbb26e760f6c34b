/** Files that may be there or not. */

export function exists(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}

/** @returns undefined where there is none */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** A folder with all that is in it. */
export async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Writes a file so that it is whole, or as it was before. */
export async function replace(path: string, data: Uint8Array): Promise<void> {
  const next = `${path}.${Deno.pid}`;
  await Deno.writeFile(next, data);
  await Deno.rename(next, path);
}
