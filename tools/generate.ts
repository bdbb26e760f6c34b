/**
 * `deno task gen`: everything in the tree that is made by a program. With `--check`, fails when what is
 * committed differs from what would be made.
 */
import { ROOT } from "./paths.ts";
import { run } from "./run.ts";

/** Each takes `--check` too. */
const GENERATORS = ["proto/generate.ts", "ffi/generate.ts", "tools/gen_facts/generate.ts"];

let failed = 0;
for (const generator of GENERATORS) {
  const code = await run([Deno.execPath(), "run", "-A", generator, ...Deno.args], { cwd: ROOT });
  if (code !== 0) {
    console.log(`${generator}: exit ${code}`);
    failed++;
  }
}
Deno.exit(failed === 0 ? 0 : 1);
