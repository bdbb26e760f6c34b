/**
 * Taking away by force what a test's machine has left, however it ended: processes, mounts, cgroups, network, files.
 *
 * A run of tests keeps everything of its own under one name, which tells whose it is: `k3ts-e2e-<pid>-<start of that
 * process>-…`. So the next run finds what one that was killed has left.
 */
import { delay } from "@k3ts/client";

const PREFIX = "k3ts-e2e-";
const FOLDER = "/tmp";
const CGROUPS = "/sys/fs/cgroup";
const KILL_MS_MAX = 10_000;

/** A fresh name for what belongs together; short, as sockets lie below its folder. */
export async function freshName(): Promise<string> {
  const random = crypto.getRandomValues(new Uint8Array(3)).toHex();
  return `${PREFIX}${Deno.pid}-${await startOf(Deno.pid)}-${random}`;
}

/** Where the files of a machine lie; the folder above is removed with the last of them. */
export function folderOf(name: string, machine: string): string {
  return `${FOLDER}/${name}/${machine}`;
}

export function networkOf(name: string, machine: string): string {
  return `${name}-${machine}`;
}

export function cgroupOf(name: string, machine: string): string {
  return `${name}-${machine}`;
}

/** Ends and removes everything under a name. Carries on where something fails. @throws all that went wrong */
export async function sweep(name: string): Promise<void> {
  const errors: unknown[] = [];
  const attempt = (task: Promise<unknown>) => task.catch((error) => errors.push(error));
  await attempt(endProcesses(name));
  await attempt(unmountAll(name));
  for (const path of await cgroupsOf(name)) await attempt(removeCgroup(path));
  for (const network of await networksOf(name)) await attempt(mustRun(["ip", "netns", "delete", network]));
  if (errors.length === 0) await attempt(Deno.remove(`${FOLDER}/${name}`, { recursive: true }).catch(ignoreMissing));
  if (errors.length > 0) throw new AggregateError(errors, `Cannot remove all of ${name}: ${errors.join("; ")}`);
}

/** What runs of tests have left that are no more. One at a time does this. */
export async function sweepDeadRuns(): Promise<void> {
  using lock = await Deno.open(`${FOLDER}/${PREFIX}lock`, { create: true, write: true, mode: 0o600 });
  await lock.lock(true);
  for (const { name, pid, start } of await madeByTests()) {
    if (await startOf(pid) !== start) await sweep(name);
  }
}

/** For programs that somebody may break off: takes away what this process has made, and ends it. */
export function sweepWhenBrokenOff(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, async () => {
      console.error("Broken off: taking away what has been made.");
      for (const { name, pid } of await madeByTests()) {
        if (pid === Deno.pid) await sweep(name).catch((error) => console.error((error as Error).message));
      }
      Deno.exit(signal === "SIGINT" ? 130 : 143);
    });
  }
}

interface Made {
  name: string;
  /** Of the process that has made it. */
  pid: number;
  start: string;
}

async function madeByTests(): Promise<Made[]> {
  const names = new Set<string>();
  for await (const entry of Deno.readDir(FOLDER)) names.add(entry.name);
  for (const network of await networksOf(PREFIX)) names.add(network.replace(/-[^-]+$/, ""));
  return [...names].flatMap((name) => {
    const [, pid, start] = /^k3ts-e2e-(\d+)-(\d+)-[0-9a-f]+$/.exec(name) ?? [];
    return pid === undefined ? [] : [{ name, pid: Number(pid), start: start! }];
  });
}

/** All that live in its networks or cgroups, or were started with its folder. */
async function endProcesses(name: string): Promise<void> {
  const deadline = Date.now() + KILL_MS_MAX;
  while (true) {
    const pids = await processesOf(name);
    if (pids.length === 0) return;
    if (Date.now() > deadline) throw new Error(`Cannot end the processes ${pids.join(", ")} of ${name}: they live on`);
    for (const pid of pids) kill(pid);
    await delay(20);
  }
}

/** Those of one machine are those of what was started on it, without guests that are in its network only. */
export async function processesOf(name: string, machine?: string): Promise<number[]> {
  const networks = new Set<number>();
  for (const network of machine === undefined ? await networksOf(name) : []) {
    const { ino } = await Deno.stat(`/run/netns/${network}`);
    if (ino !== null) networks.add(ino);
  }
  const folder = machine === undefined ? `${FOLDER}/${name}` : folderOf(name, machine);
  const cgroup = machine === undefined ? `/${name}-` : `/${cgroupOf(name, machine)}/`;
  const found: number[] = [];
  for await (const entry of Deno.readDir("/proc")) {
    const pid = Number(entry.name);
    if (!Number.isInteger(pid) || pid === Deno.pid) continue;
    const [command, cgroups, network] = await Promise.all([
      Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => ""),
      Deno.readTextFile(`/proc/${pid}/cgroup`).catch(() => ""),
      Deno.stat(`/proc/${pid}/ns/net`).then(({ ino }) => ino, () => null),
    ]);
    const isOurs = [`${folder}/`, `${folder}\0`].some((text) => command.includes(text)) || cgroups.includes(cgroup) ||
      (network !== null && networks.has(network));
    if (isOurs && !await hasEnded(pid)) found.push(pid);
  }
  return found;
}

/** What has ended by itself meanwhile is no error. */
export function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    ignoreMissing(error);
  }
}

export async function hasEnded(pid: number): Promise<boolean> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => "");
  return stat === "" || /\) [ZX] /.test(stat);
}

/** Below a folder, the innermost first. */
export async function mountsBelow(folder: string): Promise<string[]> {
  const lines = (await Deno.readTextFile("/proc/self/mounts")).split("\n");
  return lines.map((line) => line.split(" ")[1] ?? "").filter((target) => target.startsWith(`${folder}/`)).reverse();
}

async function unmountAll(name: string): Promise<void> {
  for (const target of await mountsBelow(`${FOLDER}/${name}`)) await mustRun(["umount", "--lazy", target]);
}

/** In every hierarchy, with cgroup v1 and v2. */
export async function cgroupsOf(name: string, machine?: string): Promise<string[]> {
  const found: string[] = [];
  const roots = [CGROUPS];
  for await (const entry of Deno.readDir(CGROUPS)) if (entry.isDirectory) roots.push(`${CGROUPS}/${entry.name}`);
  for (const root of roots) {
    for await (const entry of Deno.readDir(root)) {
      const isOurs = machine === undefined ? entry.name.startsWith(`${name}-`) : entry.name === cgroupOf(name, machine);
      if (isOurs) found.push(`${root}/${entry.name}`);
    }
  }
  return found;
}

/** The files in them are the kernel's and go with them. */
async function removeCgroup(path: string): Promise<void> {
  for await (const entry of Deno.readDir(path)) if (entry.isDirectory) await removeCgroup(`${path}/${entry.name}`);
  await Deno.remove(path).catch(ignoreMissing);
}

async function networksOf(name: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const entry of Deno.readDir("/run/netns")) if (entry.name.startsWith(name)) found.push(entry.name);
  } catch (error) {
    ignoreMissing(error); // none has ever been made
  }
  return found;
}

/** Of a process, in clock ticks since boot (proc(5)): tells it from a later one with its number. */
export async function startOf(pid: number): Promise<string | undefined> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => undefined);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}

export async function mustRun(words: string[]): Promise<string> {
  const [program, ...args] = words as [string, ...string[]];
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${words.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
  return new TextDecoder().decode(stdout);
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
