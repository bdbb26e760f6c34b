/**
 * `deno task images [NAME…]`: makes the images of the conformance suite, or those that are named, and says where they
 * lie.
 *
 *   --serve HOST:PORT        then lets them be pulled there, until it is interrupted
 *   --login USER:PASSWORD    by those who say this
 */
import { parseArgs } from "node:util";
import { ensureImages } from "./mod.ts";
import { serveImages } from "./registry.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { serve: { type: "string" }, login: { type: "string" } },
});
const images = await ensureImages(positionals).catch((error) => {
  console.error(`k3ts: ${error.message}`);
  Deno.exit(1);
});
if (values.serve === undefined) {
  for (const [name, folder] of images) console.log(`${name}\t${folder}`);
} else {
  const { hostname, port } = new URL(`http://${values.serve}`);
  const [username, ...rest] = values.login?.split(":") ?? [];
  const login = username === undefined ? undefined : { username, password: rest.join(":") };
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => stop.abort());
  const server = await serveImages({ hostname, port: Number(port || 80), images, login, signal: stop.signal });
  console.log(`Serving ${images.size} images on http://${values.serve}`);
  await server.finished;
}
