/** `k3ts restart`: replaces processes of ours by new ones of the same description, from the programs that are there now. */
import type { Command } from "commander";
import { resolve } from "node:path";
import { attempt, dataDirOption } from "../command.ts";
import { findSupervisor, type SupervisorLink } from "../components/supervisor.ts";
import { Problem } from "../problem.ts";

export function registerRestart(program: Command): void {
  program.command("restart")
    .description("replace processes of k3ts, as after an upgrade; containers stay, and no connect is refused")
    .argument("[process...]", "which: gateway, server, agent, dataplane (default: all that run here)")
    .addOption(dataDirOption())
    .action((names: string[], { dataDir }: { dataDir: string }) => attempt(() => restart(resolve(dataDir), names)));
}

async function restart(dataDir: string, names: readonly string[]): Promise<void> {
  await using link = await findSupervisor(dataDir);
  if (link === undefined) throw new Problem(`k3ts does not run on ${dataDir}.`, "Start it with `k3ts up`.");
  const before = await pids(link);
  const strange = names.find((name) => !before.has(name));
  if (strange !== undefined) {
    throw new Problem(`There is no process "${strange}" on ${dataDir}: there are ${[...before.keys()].join(", ")}.`);
  }
  // In the order in which they are started, whatever the order of the words.
  for (const name of before.keys()) {
    if (names.length > 0 && !names.includes(name)) continue;
    await link.supervisor.restart({ name });
    console.log(`${name} was replaced: process ${before.get(name)} by ${(await pids(link)).get(name)}.`);
  }
}

async function pids({ supervisor }: SupervisorLink): Promise<Map<string, number>> {
  const { processes } = await supervisor.getStatus({});
  return new Map(processes.map(({ name, pid }) => [name, pid]));
}
