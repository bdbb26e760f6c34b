/** What k3ts has made on this machine outside its data directory, and what runs there. */
import { parseMounts } from "./proc.ts";

export interface Leftovers {
  processes: { pid: number; command: string }[];
  mounts: string[];
  /** Folders below `/sys/fs/cgroup`. */
  cgroups: string[];
  /** Network interfaces. */
  links: string[];
  /** nftables: `ip k3ts`. */
  tables: string[];
}

const BRIDGE = "k3ts0";
const LINK_PREFIX = "k3v";
const TABLE = "k3ts";
const CGROUP_PARENT = "k3ts";

/**
 * @param dataDir absolute
 * @throws when the kernel does not tell
 */
export async function findLeftovers(dataDir: string): Promise<Leftovers> {
  const processes = await ownProcesses(dataDir);
  return {
    processes,
    // The data directory itself may be a disk of its own.
    mounts: (await mounts()).filter((path) => path !== dataDir && isBelow(path, dataDir)),
    cgroups: await cgroupsOf(await cgroupParent(dataDir)),
    links: linkNames(await Deno.readTextFile("/proc/self/net/dev")).filter((name) =>
      name === BRIDGE || name.startsWith(LINK_PREFIX)
    ),
    tables: await nftTables(),
  };
}

/** Whether a disk is mounted there. @param path absolute */
export async function isMountPoint(path: string): Promise<boolean> {
  return (await mounts()).includes(path);
}

async function mounts(): Promise<string[]> {
  return parseMounts(await Deno.readTextFile("/proc/self/mounts"));
}

export function isEmpty(leftovers: Leftovers): boolean {
  return Object.values(leftovers).every((list) => list.length === 0);
}

function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

/** Those that were started for this data directory: by its name among their words. */
async function ownProcesses(dataDir: string): Promise<Leftovers["processes"]> {
  const found = (await programs()).filter(({ words }) => words.some((word) => isBelow(word, dataDir)));
  return found.map(({ pid, words }) => ({ pid, command: words.join(" ").trim() }));
}

/** What another k3ts of this machine, with a data directory of its own, uses too. */
export async function sharedWithOthers(dataDir: string): Promise<{ network: boolean; cgroup: boolean }> {
  const others = (await programs()).filter(({ words }) => !words.some((word) => isBelow(word, dataDir)));
  const network = await Deno.readLink("/proc/self/ns/net");
  const parent = await cgroupParent(dataDir);
  const shares = await Promise.all(others.map(async ({ pid, words }) => ({
    network: await Deno.readLink(`/proc/${pid}/ns/net`).catch(() => undefined) === network,
    cgroup: await cgroupParent(words[words.indexOf("--data-dir") + 1] ?? "") === parent,
  })));
  return { network: shares.some(({ network }) => network), cgroup: shares.some(({ cgroup }) => cgroup) };
}

/** All programs of ours that run, of whichever data directory. */
async function programs(): Promise<{ pid: number; words: string[] }[]> {
  const found: { pid: number; words: string[] }[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === Deno.pid) continue;
    // It may end while we look.
    const words = (await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "")).split("\0");
    if (isProgram(words)) found.push({ pid: Number(name), words });
  }
  return found;
}

const PROGRAM = /(^|\/)(k3ts-(supervisor|gateway|dataplane|shim)|(server|agent|plugins)\/main\.ts)$/;

/** @param words of the command line */
export function isProgram(words: readonly string[]): boolean {
  return words.some((word) => PROGRAM.test(word));
}

async function cgroupParent(dataDir: string): Promise<string> {
  return (await Deno.readTextFile(`${dataDir}/node/cgroup-parent`).catch(() => "")).trim() || CGROUP_PARENT;
}

/** In each hierarchy, of v1 and v2. */
async function cgroupsOf(parent: string): Promise<string[]> {
  const root = "/sys/fs/cgroup";
  const folders = [root];
  for await (const entry of Deno.readDir(root)) if (entry.isDirectory) folders.push(`${root}/${entry.name}`);
  const found = await Promise.all(
    folders.map((folder) => Deno.stat(`${folder}/${parent}`).then(() => [`${folder}/${parent}`], () => [])),
  );
  return found.flat();
}

/** @param text `/proc/net/dev`: two lines of headings, then a line an interface */
export function linkNames(text: string): string[] {
  return text.split("\n").slice(2).map((line) => line.split(":")[0]!.trim()).filter((name) => name !== "");
}

/** Without nft there are no tables of ours. */
async function nftTables(): Promise<string[]> {
  try {
    const { success, stdout } = await new Deno.Command("nft", { args: ["list", "tables"], stderr: "null" }).output();
    if (!success) return [];
    return new TextDecoder().decode(stdout).split("\n").map((line) => line.replace(/^table /, "").trim())
      .filter((table) => table.split(" ").at(-1) === TABLE);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
