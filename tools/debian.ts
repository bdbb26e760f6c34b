/** Installs what Debian has packages for, and starts none of the services that come with them. */
import { output, run, which } from "./run.ts";

/** A program and the package that brings it. */
export interface DebianProgram {
  program: string;
  package: string;
}

const POLICY = "/usr/sbin/policy-rc.d";
const TAIL_LINES = 15;
/** Another apt-get at work is waited for so long. */
const LOCK_SECONDS_MAX = 600;

/** Something that a person has to do; shown without a stack. */
export class Problem extends Error {
  override name = "Problem";
}

export async function ensurePackages(
  programs: readonly DebianProgram[],
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  const missing: DebianProgram[] = [];
  for (const entry of programs) if (await which(entry.program) === undefined) missing.push(entry);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((entry) => entry.package))];
  const install = `apt-get install -y --no-install-recommends ${packages.join(" ")}`;
  if (await which("apt-get") === undefined) {
    throw new Problem(
      `Missing: ${
        missing.map(({ program }) => program).join(", ")
      }. Install them with this machine's package manager and run this again`,
    );
  }
  if (Deno.uid() !== 0) {
    throw new Problem(`Missing: ${packages.join(", ")}. Run: sudo apt-get update && sudo ${install}`);
  }
  say(`Installing ${packages.join(", ")}`);
  const log: string[] = [];
  const options = {
    env: { DEBIAN_FRONTEND: "noninteractive" },
    onLine: (line: string) => void (log.push(line) > TAIL_LINES && log.shift()),
    signal,
  };
  const wait = ["-o", `DPkg::Lock::Timeout=${LOCK_SECONDS_MAX}`];
  await run(["apt-get", "update", "-qq", ...wait], options);
  const code = await withoutServices(() => run([...install.split(" "), ...wait], options));
  signal?.throwIfAborted();
  if (code !== 0) {
    throw new Problem(`Cannot install ${packages.join(", ")}: apt-get ended with exit ${code}\n${log.join("\n")}`);
  }
  await disableServices(packages);
}

/**
 * While this works, packages that are installed start no service: a policy that forbids it stands where
 * invoke-rc.d(8) looks for one. One that the machine has already is left alone.
 */
export async function withoutServices<T>(work: () => Promise<T>, policy: string = POLICY): Promise<T> {
  try {
    await Deno.writeTextFile(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755, createNew: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    return await work();
  }
  try {
    return await work();
  } finally {
    await Deno.remove(policy);
  }
}

/** They would be started with the machine otherwise. */
async function disableServices(packages: readonly string[]): Promise<void> {
  const runsSystemd = await Deno.stat("/run/systemd/system").then(() => true, () => false);
  if (!runsSystemd) return;
  const files = (await output(["dpkg-query", "-L", ...packages])).split("\n");
  const units = files.flatMap((file) => /\/systemd\/system\/([^/@]+\.service)$/.exec(file)?.[1] ?? []);
  if (units.length > 0) await output(["systemctl", "disable", ...units]);
}

/** @returns the version of its makers: 1.22.1 of 1.22.1-9+deb12u10; undefined where there is no such package */
export async function packageVersion(name: string): Promise<string | undefined> {
  const version = await output(["dpkg-query", "-W", "-f", "${Version}", name]).catch(() => undefined);
  return version?.replace(/^\d+:/, "").replace(/[-+~].*$/, "");
}
