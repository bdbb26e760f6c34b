/**
 * `deno task test`: sets up what is missing, then everything that can be checked on one machine, and
 * `N passed, N failed` alone on the last line. `deno task check` is the same without what needs a node
 * (`--without-e2e`).
 */
import { parseArgs } from "node:util";
import { ROOT } from "./paths.ts";
import { run } from "./run.ts";
import { runSteps, type Step } from "./steps.ts";

const deno = Deno.execPath();
const MEMBERS = ["proto", "model", "api", "client", "ffi", "server", "plugins", "agent", "ctl", "bench", "tools"];

const { values } = parseArgs({ args: Deno.args, options: { "without-e2e": { type: "boolean" } } });

const cargo = [deno, "run", "-A", "tools/cargo.ts"];

const checks: Step[] = [
  { name: "format", command: [deno, "fmt", "--check", "--quiet"] },
  { name: "lint", command: [deno, "lint", "--quiet"] },
  { name: "types", command: [deno, "check", "--quiet", "."] },
  { name: "layers", command: [deno, "run", "-A", "tools/layers.ts"] },
  { name: "generated code", command: [deno, "run", "-A", "tools/generate.ts", "--check"] },
  { name: "format of native parts", command: [...cargo, "fmt", "--check"] },
  {
    name: "lint of native parts",
    command: [...cargo, "clippy", "--release", "--locked", "--all-targets", "--", "-D", "warnings"],
  },
  { name: "tests of native parts", command: [...cargo, "test", "--release", "--locked"] },
  { name: "unit tests", command: [deno, "test", "-A", "--quiet", "--parallel", ...MEMBERS] },
];

/** A step for each folder of tests, so that what takes long shows. */
const endToEnd: Step[] = (await Array.fromAsync(Deno.readDir(`${ROOT}/tests`)))
  .filter(({ name, isDirectory }) => isDirectory || name.endsWith("_test.ts"))
  .map(({ name }) => `tests/${name}`)
  .sort()
  .map((path) => ({ name: path, command: [deno, "test", "-A", "--quiet", "--permit-no-files", path] }));

const setUp = await run([deno, "run", "-A", "tools/setup.ts", "--for-tests", "--quiet"], { cwd: ROOT });
if (setUp !== 0) {
  console.log("0 passed, 1 failed");
  Deno.exit(1);
}
const { failed } = await runSteps(values["without-e2e"] ? checks : [...checks, ...endToEnd]);
Deno.exit(failed === 0 ? 0 : 1);
