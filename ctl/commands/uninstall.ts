/** `k3ts uninstall`: takes k3ts off this machine, with everything that it made. */
import type { Command } from "commander";
import { resolve } from "node:path";
import { attempt, dataDirOption } from "../command.ts";
import { ROOT } from "../installation.ts";
import { findLeftovers, isEmpty, isMountPoint, type Leftovers, sharedWithOthers } from "../machine/leftovers.ts";
import { Problem } from "../problem.ts";
import { down } from "./down.ts";

interface UninstallOptions {
  dataDir: string;
  yes?: boolean;
}

const LAUNCHERS = ["/usr/local/bin/k3ts", "/usr/bin/k3ts"];

export function registerUninstall(program: Command): void {
  program.command("uninstall")
    .description("take k3ts off this machine: its pods, networks, mounts and data")
    .addOption(dataDirOption())
    .option("-y, --yes", "do not ask")
    .action((options: UninstallOptions) => attempt(() => uninstall(options)));
}

async function uninstall(options: UninstallOptions): Promise<void> {
  if (Deno.uid() !== 0) throw new Problem("k3ts needs root to take away what root has made: run it again with sudo.");
  const dataDir = resolve(options.dataDir);
  const isThere = await Deno.stat(dataDir).then(({ isDirectory }) => isDirectory, () => false);
  if (isThere) await refuseOther(dataDir);
  const launchers = await ownLaunchers();
  const before = await findLeftovers(dataDir);
  if (!isThere && before.processes.length + before.mounts.length === 0 && launchers.length === 0) {
    console.log(`There is nothing of k3ts at ${dataDir}.`);
    return;
  }
  if (!options.yes) ask(dataDir, before, launchers);
  await down({ dataDir, containers: true });
  const after = await findLeftovers(dataDir);
  const own = await withoutOthers(after, dataDir);
  if (!isEmpty(own)) {
    throw new Problem(
      [`Something of k3ts is still here, and so ${dataDir} stays:`, ...describe(own)].join("\n"),
      "End or remove it, and run k3ts uninstall again.",
    );
  }
  await remove(dataDir).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw new Problem(`Cannot remove ${dataDir}: ${error.message}`);
  });
  for (const path of launchers) await Deno.remove(path);
  console.log(`k3ts is gone from this machine: nothing is left of ${dataDir}.`);
  if (await isCheckout()) console.log(`Its program is still in ${ROOT}: remove that folder too if it is not needed.`);
}

/** Of a disk that is mounted there, what is on it. */
async function remove(dataDir: string): Promise<void> {
  if (!await isMountPoint(dataDir)) return await Deno.remove(dataDir, { recursive: true });
  for await (const { name } of Deno.readDir(dataDir)) await Deno.remove(`${dataDir}/${name}`, { recursive: true });
}

/** What every data directory has, once anything was started on it. */
const MARKS = ["run/supervisor.json", "node/name", "lock"];

/** A folder that is removed as a whole must be ours. */
async function refuseOther(dataDir: string): Promise<void> {
  const marks = await Promise.all(MARKS.map((mark) => Deno.stat(`${dataDir}/${mark}`).then(() => true, () => false)));
  if (marks.some(Boolean) || (await Array.fromAsync(Deno.readDir(dataDir))).length === 0) return;
  throw new Problem(
    `${dataDir} is no data directory of k3ts: it has other files.`,
    "Name the right one with --data-dir.",
  );
}

function ask(dataDir: string, { processes, mounts }: Leftovers, launchers: readonly string[]): void {
  console.log([
    `This ends k3ts and all of its pods on this machine and removes`,
    `  ${dataDir} with the cluster's data, keys, images and volumes`,
    ...(processes.length > 0 ? [`  ${processes.length} processes`] : []),
    ...(mounts.length > 0 ? [`  ${mounts.length} mounts`] : []),
    "  its interfaces, routes, packet rules and cgroups",
    ...launchers.map((path) => `  ${path}`),
  ].join("\n"));
  if (!Deno.stdin.isTerminal()) {
    throw new Problem("Nobody is there to be asked.", "Say --yes if that is what you want.");
  }
  const answer = prompt('It cannot be undone. Type "yes" to go on:');
  if (answer?.trim().toLowerCase() !== "yes") throw new Problem("Nothing was changed.");
}

/** Another k3ts on this machine may still need the bridge and the table, whose name is one for all, and its cgroup. */
async function withoutOthers(found: Leftovers, dataDir: string): Promise<Leftovers> {
  const { network, cgroup } = await sharedWithOthers(dataDir);
  return {
    ...found,
    ...(cgroup && { cgroups: [] }),
    ...(network && { links: [], tables: [] }),
  };
}

function describe({ processes, mounts, cgroups, links, tables }: Leftovers): string[] {
  return [
    ...processes.map(({ pid, command }) => `  process ${pid}: ${command.slice(0, 100)}`),
    ...mounts.map((path) => `  mount ${path}`),
    ...cgroups.map((path) => `  cgroup ${path}`),
    ...links.map((name) => `  interface ${name}`),
    ...tables.map((name) => `  nftables table ${name}`),
  ];
}

/** `deno task setup --launcher` writes one. */
async function ownLaunchers(): Promise<string[]> {
  const found = await Promise.all(
    LAUNCHERS.map(async (path) => {
      const text = await Deno.readTextFile(path).catch(() => "");
      return text.startsWith("#!/bin/sh") && text.includes(`"${ROOT}/ctl/main.ts"`) ? [path] : [];
    }),
  );
  return found.flat();
}

async function isCheckout(): Promise<boolean> {
  return await Deno.stat(`${ROOT}/ctl/main.ts`).then(() => true, () => false);
}
