/**
 * The API over the store in a folder, on a unix socket in it, for an administrator, until it is killed. Says "ready".
 *
 *     deno run -A api_victim.ts FOLDER [ENGINE]
 */
import { createApiServer } from "@k3ts/api";
import { type EngineName, openNative } from "@k3ts/ffi";
import { restFace } from "@k3ts/server/faces";
import { diskStore } from "@k3ts/server/stores";

async function main(path: string, engine: EngineName): Promise<void> {
  const keys = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
  const server = await createApiServer({
    store: diskStore({ native: await openNative(), path: `${path}/store`, engine }),
    tokenKeys: { current: { id: "1", ...keys } },
  }, new AbortController().signal);
  await Deno.remove(`${path}/socket`).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  const face = restFace(server, {
    credentials: () => ({ certificate: { commonName: "admin", organizations: ["system:masters"] } }),
  });
  Deno.serve({ path: `${path}/socket`, onListen: () => console.log("ready") }, face);
}

await main(Deno.args[0]!, (Deno.args[1] ?? "slatedb") as EngineName);
