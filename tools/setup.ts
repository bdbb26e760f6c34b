/**
 * `deno task setup`: puts in place what k3ts needs on this machine, and says how where it may not.
 *
 *   --for-tests          also what the test task needs
 *   --launcher [PATH]    writes a `k3ts` command there (default /usr/local/bin/k3ts)
 *   --quiet              says nothing when nothing was missing
 */
import { parseArgs } from "node:util";
import { ensureKubectl, KUBECTL_VERSIONS } from "./kubectl.ts";
import { ensureNative, MUSL_TARGET } from "./native.ts";
import { ROOT } from "./paths.ts";
import { output, run, which } from "./run.ts";

interface Tool {
  program: string;
  /** The Debian package that brings it. */
  package: string;
}

const NODE_TOOLS: Tool[] = [
  { program: "crun", package: "crun" },
  { program: "nft", package: "nftables" },
  { program: "conntrack", package: "conntrack" },
  { program: "busybox", package: "busybox-static" },
];

const TEST_TOOLS: Tool[] = [
  { program: "ip", package: "iproute2" },
  { program: "skopeo", package: "skopeo" },
  { program: "docker-registry", package: "docker-registry" },
  { program: "zsh", package: "zsh" },
  { program: "fish", package: "fish" },
];

const RUST_MINIMUM = [1, 95] as const;

async function setup(): Promise<void> {
  const { values } = parseArgs({
    args: Deno.args,
    options: { "for-tests": { type: "boolean" }, quiet: { type: "boolean" }, launcher: { type: "string" } },
  });
  const say = (line: string) => console.error(line);
  if (Deno.build.os !== "linux") throw new Problem(`k3ts runs on Linux, and this machine runs ${Deno.build.os}`);
  await ensurePackages(values["for-tests"] ? [...NODE_TOOLS, ...TEST_TOOLS] : NODE_TOOLS, say);
  await ensureRust(say);
  await ensureModules();
  await ensureNative(say);
  for (const version of values["for-tests"] ? KUBECTL_VERSIONS : []) await ensureKubectl(version, say);
  if (values.launcher !== undefined) await writeLauncher(values.launcher || "/usr/local/bin/k3ts", say);
  else if (!values.quiet && await which("k3ts") === undefined) {
    say("For a `k3ts` command on the PATH: deno task setup --launcher /usr/local/bin/k3ts");
  }
  if (!values.quiet) say("Everything is in place. Next: deno task up");
}

async function ensurePackages(tools: Tool[], say: (line: string) => void): Promise<void> {
  const missing: Tool[] = [];
  for (const tool of tools) if (await which(tool.program) === undefined) missing.push(tool);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((tool) => tool.package))];
  const install = `apt-get install -y --no-install-recommends ${packages.join(" ")}`;
  if (await which("apt-get") === undefined) {
    throw new Problem(
      `Missing: ${
        missing.map((tool) => tool.program).join(", ")
      }. Install them with this machine's package manager and run this again`,
    );
  }
  if (Deno.uid() !== 0) {
    throw new Problem(`Missing: ${packages.join(", ")}. Run: sudo apt-get update && sudo ${install}`);
  }
  say(`Installing ${packages.join(", ")}`);
  const log: string[] = [];
  const onLine = (line: string) => void log.push(line);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await run(["apt-get", "update", "-qq"], { env, onLine });
  const code = await run(install.split(" "), { env, onLine });
  if (code !== 0) {
    throw new Problem(
      `Cannot install ${packages.join(", ")}: apt-get ended with exit ${code}\n${log.slice(-15).join("\n")}`,
    );
  }
}

async function ensureRust(say: (line: string) => void): Promise<void> {
  if (await which("cargo") === undefined || await which("rustc") === undefined) {
    throw new Problem("Rust is missing: install it with rustup (https://rustup.rs) and run this again");
  }
  if (await which("cc") === undefined) {
    throw new Problem("A C compiler is missing. Run: apt-get install -y gcc libc6-dev");
  }
  const version = (await output(["rustc", "--version"])).split(" ")[1] ?? "";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < RUST_MINIMUM[0] || (major === RUST_MINIMUM[0] && minor < RUST_MINIMUM[1])) {
    throw new Problem(
      `Rust ${RUST_MINIMUM.join(".")} or later is needed and ${version} is installed. Run: rustup update stable`,
    );
  }
  const sysroot = await output(["rustc", "--print", "sysroot"]);
  const target = await Deno.stat(`${sysroot}/lib/rustlib/${MUSL_TARGET}`).catch(() => undefined);
  if (target !== undefined) return;
  if (await which("rustup") === undefined) {
    throw new Problem(`Rust's target ${MUSL_TARGET} is missing, and rustup, which would add it, is not installed`);
  }
  say(`Adding Rust's target ${MUSL_TARGET}`);
  await output(["rustup", "target", "add", MUSL_TARGET]);
}

/** What the programs import: they are started with what is here, and fetch nothing themselves. */
async function ensureModules(): Promise<void> {
  const programs = ["server", "agent", "plugins", "ctl"].map((member) => `${ROOT}/${member}/main.ts`);
  await output([Deno.execPath(), "cache", "--quiet", "--frozen", "--config", `${ROOT}/deno.json`, ...programs]);
}

async function writeLauncher(path: string, say: (line: string) => void): Promise<void> {
  const script =
    `#!/bin/sh\nexec "${Deno.execPath()}" run --quiet -A --config "${ROOT}/deno.json" "${ROOT}/ctl/main.ts" "$@"\n`;
  await Deno.writeTextFile(path, script, { mode: 0o755 });
  say(`Wrote ${path}`);
}

/** Something that a person has to do; shown without a stack. */
class Problem extends Error {}

if (import.meta.main) {
  try {
    await setup();
  } catch (error) {
    console.error(error instanceof Problem ? `k3ts: ${error.message}` : error);
    Deno.exit(1);
  }
}
