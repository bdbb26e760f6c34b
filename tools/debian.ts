/** Installs what Debian has packages for, and starts none of the services that come with them. */
import { readIfThere } from "./files.ts";
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
  };
  const wait = ["-o", `DPkg::Lock::Timeout=${LOCK_SECONDS_MAX}`];
  await run(["apt-get", "update", "-qq", ...wait], options);
  const code = await withoutServices(() => run([...install.split(" "), ...wait], options));
  if (code !== 0) {
    throw new Problem(`Cannot install ${packages.join(", ")}: apt-get ended with exit ${code}\n${log.join("\n")}`);
  }
  await disableServices(packages);
}

/**
 * While this works, packages that are installed start no service: a policy that forbids it stands where
 * invoke-rc.d(8) looks for one. One that the machine has already is left alone. Ours forbids nothing once its process
 * is gone, however that ended.
 */
export async function withoutServices<T>(work: () => Promise<T>, policy: string = POLICY): Promise<T> {
  const own = `${POLICY_HEAD}grep -q deno /proc/${Deno.pid}/cmdline 2>/dev/null && exit 101\nexit 0\n`;
  const present = await readIfThere(policy);
  if (present !== undefined && !present.startsWith(POLICY_HEAD)) return await work();
  await Deno.writeTextFile(policy, own, { mode: 0o755 });
  try {
    return await work();
  } finally {
    if (await readIfThere(policy) === own) await Deno.remove(policy);
  }
}

const POLICY_HEAD = "#!/bin/sh\n# Of k3ts, for as long as it installs packages.\n";

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
