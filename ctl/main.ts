/** The `k3ts` command. */
import { Command } from "commander";
import { registerApply, registerDelete } from "./commands/apply.ts";
import { registerCluster } from "./commands/cluster.ts";
import { registerDescribe } from "./commands/describe.ts";
import { registerGet } from "./commands/get.ts";
import { registerImage } from "./commands/image.ts";
import { registerStreams } from "./commands/streams.ts";
import { registerUp } from "./commands/up.ts";

const program = new Command("k3ts").description("containers on one to a few thousand machines");
registerUp(program);
registerGet(program);
registerDescribe(program);
registerApply(program);
registerDelete(program);
registerStreams(program);
registerCluster(program);
registerImage(program);

await program.parseAsync(Deno.args, { from: "user" });
