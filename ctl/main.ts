/** The `k3ts` command. */
import { Command } from "commander";
import { registerApply } from "./commands/apply.ts";
import { registerCluster } from "./commands/cluster.ts";
import { registerDelete } from "./commands/delete.ts";
import { registerDescribe } from "./commands/describe.ts";
import { registerDown } from "./commands/down.ts";
import { registerExec } from "./commands/exec.ts";
import { registerGet } from "./commands/get.ts";
import { registerImage } from "./commands/image.ts";
import { registerLogs } from "./commands/logs.ts";
import { registerApiResources } from "./commands/resources.ts";
import { registerUp } from "./commands/up.ts";
import { VERSION } from "./version.ts";

const program = new Command("k3ts")
  .description("Containers on one to a few thousand machines.")
  .version(VERSION, "--version")
  // Commands take both over.
  .showHelpAfterError("See what there is with --help.")
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "Error: ")) });
registerUp(program);
registerDown(program);
registerGet(program);
registerDescribe(program);
registerApply(program);
registerDelete(program);
registerLogs(program);
registerExec(program);
registerApiResources(program);
registerCluster(program);
registerImage(program);

await program.parseAsync(Deno.args, { from: "user" });
// Without waiting for what may still be open, such as a terminal that nobody types into.
Deno.exit();
