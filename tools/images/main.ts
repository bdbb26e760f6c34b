/** `deno task images [NAME…]`: makes the images of the conformance suite, or those that are named. */
import { ensureImages } from "./mod.ts";

for (const [name, folder] of await ensureImages(Deno.args)) console.log(`${name}\t${folder}`);
