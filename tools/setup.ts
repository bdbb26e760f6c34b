/**
 * `deno task setup`: puts in place what k3ts needs on this machine, and says how where it may not.
 *
 *   --for-tests          also what the test task needs
 *   --launcher [PATH]    writes a `k3ts` command there (default /usr/local/bin/k3ts)
 *   --quiet              says nothing when nothing was missing
 */
import { parseArgs } from "node:util";
import { BUSYBOX } from "./busybox_image.ts";
import { type DebianProgram, ensurePackages, Problem } from "./debian.ts";
import { ensureNative, MUSL_TARGET } from "./native.ts";
import { ROOT } from "./paths.ts";
import { ensurePeers } from "./peers/mod.ts";
import { output, which } from "./run.ts";

const NODE_TOOLS: DebianProgram[] = [
  { program: "crun", package: "crun" },
  { program: "nft", package: "nftables" },
  { program: "conntrack", package: "conntrack" },
  BUSYBOX,
];

const TEST_TOOLS: DebianProgram[] = [
  { program: "ip", package: "iproute2" },
  { program: "curl", package: "curl" },
  { program: "mkfs.ext4", package: "e2fsprogs" },
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
  // Whoever names native parts has made them.
  if (Deno.env.get("K3TS_NATIVE") === undefined) await ensureNative(say);
  if (values["for-tests"]) {
    const results = await ensurePeers(["kubectl-1.34", "kubectl-1.35", "kubectl-1.36"], { say });
    for (const { error } of results) if (error !== undefined) throw new Problem(error.message);
  }
  if (values.launcher !== undefined) await writeLauncher(values.launcher || "/usr/local/bin/k3ts", say);
  else if (!values.quiet && await which("k3ts") === undefined) {
    say("For a `k3ts` command on the PATH: deno task setup --launcher /usr/local/bin/k3ts");
  }
  if (!values.quiet) say("Everything is in place. Next: deno task up");
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

if (import.meta.main) {
  try {
    await setup();
  } catch (error) {
    console.error(error instanceof Problem ? `k3ts: ${error.message}` : error);
    Deno.exit(1);
  }
}
