/** The folder outside of the checkout in which images are kept, with all that they are made of. */
import { CACHE } from "../paths.ts";

export const FOLDER: string = `${CACHE}/images`;

export type Say = (line: string) => void;

export function exists(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}

export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Writes a file so that it is whole, or as it was before. */
export async function replace(path: string, data: Uint8Array): Promise<void> {
  await Deno.writeFile(`${path}.${Deno.pid}`, data);
  await Deno.rename(`${path}.${Deno.pid}`, path);
}
