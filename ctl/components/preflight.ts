/** What must hold on this machine before anything is started; each shortfall is one sentence that says what to do. */
import { resolve } from "node:path";
import { Problem } from "../problem.ts";
import { exists } from "./ready.ts";

export interface PreflightOptions {
  roles: readonly ("server" | "node")[];
  native: string;
}

const FILESYSTEMS = ["overlay", "tmpfs", "proc"];
const PROGRAMS = [{ name: "nft", package: "nftables" }, { name: "conntrack", package: "conntrack" }];
/** Where the native parts look, whatever PATH says. */
const PROGRAM_FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
const CONTROLLERS = ["cpu", "memory", "pids"];

/** @returns what stands in the way, in the order in which a person would mend it */
export async function preflight({ roles, native }: PreflightOptions): Promise<string[]> {
  if (Deno.build.os !== "linux") return [`k3ts runs on Linux: this machine runs ${Deno.build.os}.`];
  if (Deno.uid() !== 0) return ["k3ts needs root to make containers and networks: run it again with sudo."];
  const problems: string[] = [];
  for (const file of ["k3ts-supervisor", "k3ts-gateway", "libk3ts.so"]) {
    if (!await exists(`${native}/${file}`)) {
      problems.push(`The native part ${file} is missing in ${native}: run deno task setup.`);
      break;
    }
  }
  return roles.includes("node") ? [...problems, ...await nodeProblems()] : problems;
}

/**
 * @param named as a person has written it. @default crun
 * @returns what the node is to be told: a name where it would find the program by itself, else a path
 * @throws {Problem} when there is no such program
 */
export async function findRuntime(
  named: string | undefined,
  path = Deno.env.get("PATH") ?? "",
): Promise<string | undefined> {
  const name = named ?? "crun";
  if (!name.includes("/") && await isInstalled(name)) return named;
  const places = name.includes("/")
    ? [resolve(name)]
    : path.split(":").filter(Boolean).map((folder) => `${folder}/${name}`);
  for (const place of places) if (await isProgram(place)) return place;
  throw new Problem(
    named === undefined
      ? "The program crun is missing: run deno task setup, or install the package crun."
      : `--runtime must name a program that is installed, or the path of one: there is no "${named}".`,
  );
}

/** @returns a sentence when somebody else listens there */
export function portProblem(address: string, port: number): string | undefined {
  try {
    Deno.listen({ hostname: address, port }).close();
    return undefined;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) {
      return `Port ${port} on ${address} is in use by another program: stop it, or choose a port with --port.`;
    }
    // The address itself may not exist yet; the supervisor binds it all the same.
    if (error instanceof Deno.errors.AddrNotAvailable) return undefined;
    throw error;
  }
}

async function nodeProblems(): Promise<string[]> {
  const problems: string[] = [];
  for (const name of FILESYSTEMS) {
    if (!await isMountable(name) && !(await loadModule(name) && await isMountable(name))) {
      problems.push(`The kernel cannot mount ${name}: use a kernel that has it.`);
    }
  }
  const controllers = enabledControllers(
    await Deno.readTextFile("/proc/cgroups").catch(() => ""),
    await Deno.readTextFile("/sys/fs/cgroup/cgroup.controllers").catch(() => ""),
  );
  for (const name of CONTROLLERS.filter((name) => !controllers.has(name))) {
    problems.push(
      `The kernel's cgroup controller ${name} is missing or switched off: enable it on the kernel's command line.`,
    );
  }
  for (const { name, package: owner } of PROGRAMS) {
    if (!await isInstalled(name)) {
      problems.push(`The program ${name} is missing: run deno task setup, or install the package ${owner}.`);
    }
  }
  return problems;
}

/**
 * Cgroup controllers that can be used.
 * @param legacy `/proc/cgroups`: a line a controller, the last field 1 where it is on
 * @param unified `cgroup.controllers` of the root of cgroup v2: their names
 */
export function enabledControllers(legacy: string, unified: string): Set<string> {
  const rows = legacy.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) =>
    line.split("\t")
  );
  const names = rows.filter((row) => row.at(-1) === "1").map(([name]) => name!);
  return new Set([...names, ...unified.split(/\s+/).filter(Boolean)]);
}

async function isMountable(filesystem: string): Promise<boolean> {
  return (await Deno.readTextFile("/proc/filesystems")).split(/\s+/).includes(filesystem);
}

/** A filesystem that is a module is not known before it is loaded; where there are no modules there is no modprobe. */
async function loadModule(name: string): Promise<boolean> {
  try {
    return (await new Deno.Command("modprobe", { args: ["--quiet", name], stdout: "null", stderr: "null" }).output())
      .success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function isInstalled(program: string): Promise<boolean> {
  for (const folder of PROGRAM_FOLDERS) if (await isProgram(`${folder}/${program}`)) return true;
  return false;
}

/** A regular file that may be run. */
async function isProgram(path: string): Promise<boolean> {
  const found = await Deno.stat(path).catch(() => undefined);
  return found?.isFile === true && ((found.mode ?? 0) & 0o111) !== 0;
}
