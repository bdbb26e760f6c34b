/** `k3ts down`: ends what `up`, `server` or `agent` started on this machine. */
import type { Command } from "commander";
import { resolve } from "node:path";
import { attempt, dataDirOption } from "../command.ts";
import { stopAll } from "../components/running.ts";
import { nativeFolder, ROOT } from "../installation.ts";
import { Problem } from "../problem.ts";

interface DownOptions {
  dataDir: string;
  containers?: boolean;
}

export function registerDown(program: Command): void {
  program.command("down")
    .description("stop what `up`, `server` or `agent` started here")
    .addOption(dataDirOption())
    .option("--containers", "and the pods too, with their networks and mounts")
    .action((options: DownOptions) => attempt(() => down(options)));
}

export async function down(options: DownOptions): Promise<void> {
  if (Deno.uid() !== 0) throw new Problem("k3ts needs root to stop what root has started: run it again with sudo.");
  const dataDir = resolve(options.dataDir);
  const ran = await stopAll(dataDir, nativeFolder());
  console.log(ran ? `k3ts on ${dataDir} has stopped.` : `k3ts does not run on ${dataDir}.`);
  if (options.containers) await removeContainers(dataDir);
}

/** The agent knows what it has made; it is run once more, to take it away. */
async function removeContainers(dataDir: string): Promise<void> {
  if (!await Deno.stat(`${dataDir}/node`).then(() => true, () => false)) {
    console.log("It has no containers.");
    return;
  }
  const agent = ["--config", `${ROOT}/deno.json`, `${ROOT}/agent/main.ts`, "--data-dir", dataDir, "--remove-all"];
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--cached-only", "-A", ...agent],
    env: { K3TS_NATIVE: nativeFolder() },
  }).spawn().status;
  if (code !== 0) throw new Problem(`The clean-up of containers ended with exit ${code}.`, "Run it again.");
  console.log("Its containers, networks and mounts are gone.");
}
