/**
 * Makes the Rust of the protocol: `deno run -A ffi/generate.ts`. With `--check` it writes nothing and fails when what
 * is committed differs from what would be made.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(fileURLToPath(import.meta.url));

/** What the generator writes, and where it belongs. */
const TARGETS = {
  "frames.rs": "crates/frames/src/generated/frames.rs",
  "v1.rs": "crates/proto/src/generated/v1.rs",
};

async function main(options: { check: boolean }): Promise<void> {
  const fresh = await Deno.makeTempDir({ prefix: "k3ts-ffi-" });
  try {
    await generate(fresh);
    const drifted: string[] = [];
    for (const [name, target] of Object.entries(TARGETS)) {
      const text = await Deno.readTextFile(join(fresh, name));
      if (!options.check) await Deno.writeTextFile(join(ROOT, target), text);
      else if (text !== await Deno.readTextFile(join(ROOT, target))) drifted.push(target);
    }
    if (drifted.length > 0) {
      throw new Error(`Cannot accept ffi as it must be what generate.ts makes: ${drifted.join(", ")} differ`);
    }
  } finally {
    await Deno.remove(fresh, { recursive: true });
  }
}

async function generate(directory: string): Promise<void> {
  const { code, stderr } = await new Deno.Command("cargo", {
    args: ["run", "--release", "--quiet", "-p", "k3ts-proto-gen", "--", join(ROOT, "../proto"), directory],
    cwd: ROOT,
    env: { CARGO_TARGET_DIR: Deno.env.get("CARGO_TARGET_DIR") ?? join(cacheDirectory(), "k3ts", "target") },
    stdin: "null",
  }).output();
  if (code === 0) return;
  throw new Error(
    `Cannot generate from proto as k3ts-proto-gen must succeed: exit code is ${code}\n${
      new TextDecoder().decode(stderr).trim()
    }`,
  );
}

/** Shared by all checkouts on the machine. */
function cacheDirectory(): string {
  return Deno.env.get("XDG_CACHE_HOME") ?? join(Deno.env.get("HOME") ?? "/root", ".cache");
}

try {
  await main({ check: Deno.args.includes("--check") });
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exit(1);
}
