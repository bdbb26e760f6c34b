/** Where the parts of this installation lie. */
import { fileURLToPath } from "node:url";

/** The checkout or installation: the folder that holds `server/main.ts`. */
export const ROOT: string = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

/** The folder of native programs; not by way of a link, so that programs of another build have other names. */
export function nativeFolder(): string {
  const folder = Deno.env.get("K3TS_NATIVE") ?? `${ROOT}/.k3ts/native`;
  try {
    return Deno.realPathSync(folder);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return folder; // preflight says what to do about it
    throw error;
  }
}
