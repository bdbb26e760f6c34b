/** Where the parts of this installation lie. */
import { fileURLToPath } from "node:url";

/** The checkout or installation: the folder that holds `server/main.ts`. */
export const ROOT: string = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

/** The folder of native programs. */
export function nativeFolder(): string {
  return Deno.env.get("K3TS_NATIVE") ?? `${ROOT}/.k3ts/native`;
}
