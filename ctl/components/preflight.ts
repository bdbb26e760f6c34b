/** What must hold on this machine before anything is started; each shortfall is one sentence that says what to do. */

export interface PreflightOptions {
  roles: readonly ("server" | "node")[];
  dataDir: string;
  port: number;
  native: string;
}

/** @returns what stands in the way, in the order in which a person would mend it */
export async function preflight(options: PreflightOptions): Promise<string[]> {
  if (Deno.build.os !== "linux") return [`k3ts runs on Linux: this machine runs ${Deno.build.os}.`];
  if (Deno.uid() !== 0) return ["k3ts needs root to make containers and networks: run it again with sudo."];
  const problems: string[] = [];
  for (const file of ["k3ts-supervisor", "k3ts-gateway", "libk3ts.so"]) {
    if (!await exists(`${options.native}/${file}`)) {
      problems.push(`The native part ${file} is missing in ${options.native}: run deno task setup.`);
      break;
    }
  }
  if (options.roles.includes("node")) problems.push(...await nodeProblems());
  return problems;
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

const FILESYSTEMS = ["overlay", "tmpfs", "proc"];
const PROGRAMS = [{ name: "crun", package: "crun" }, { name: "nft", package: "nftables" }];
const CONTROLLERS = ["cpu", "memory", "pids"];

async function nodeProblems(): Promise<string[]> {
  const problems: string[] = [];
  const known = (await Deno.readTextFile("/proc/filesystems")).split(/\s+/);
  for (const name of FILESYSTEMS) {
    if (!known.includes(name)) {
      problems.push(`The kernel cannot mount ${name}: load its module (modprobe ${name}) or use a kernel that has it.`);
    }
  }
  const cgroups = await Deno.readTextFile("/proc/cgroups").catch(() => "");
  for (const name of CONTROLLERS) {
    const line = cgroups.split("\n").find((line) => line.startsWith(`${name}\t`));
    if (line === undefined || line.trim().endsWith("\t0")) {
      problems.push(
        `The kernel's cgroup controller ${name} is missing or switched off: enable it on the kernel's command line.`,
      );
    }
  }
  for (const { name, package: owner } of PROGRAMS) {
    if (!await isOnPath(name)) {
      problems.push(`The program ${name} is missing: run deno task setup, or install the package ${owner}.`);
    }
  }
  return problems;
}

async function isOnPath(program: string): Promise<boolean> {
  const folders = `${Deno.env.get("PATH") ?? ""}:/usr/sbin:/sbin`.split(":");
  for (const folder of folders) if (await exists(`${folder}/${program}`)) return true;
  return false;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, (error) => {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  });
}
