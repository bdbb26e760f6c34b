/**
 * Makes `gen/` from the `.proto` files: `deno run -A proto/generate.ts`. With `--check` it writes nothing and fails
 * when what is committed differs from what would be made.
 */
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** By npx and not by Deno, which insists on the binaries of every platform, and some are published later than others. */
const BUF = "@bufbuild/buf@1.75.0";

const ROOT = dirname(fileURLToPath(import.meta.url));

async function main(options: { check: boolean }): Promise<void> {
  await buf("lint");
  if (!options.check) return await generate(ROOT);
  const fresh = await Deno.makeTempDir({ prefix: "k3ts-proto-" });
  try {
    await generate(fresh);
    refuseDrift(await readTree(join(fresh, "gen")), await readTree(join(ROOT, "gen")));
  } finally {
    await Deno.remove(fresh, { recursive: true });
  }
}

async function generate(directory: string): Promise<void> {
  await buf("generate", "--output", directory);
  const modules = [...(await readTree(join(directory, "gen"))).keys()].filter((name) => name.endsWith("_pb.ts")).sort();
  const lines = ["// Made by generate.ts. Not to be edited.", ...modules.map((name) => `export * from "./${name}";`)];
  await Deno.writeTextFile(join(directory, "gen", "mod.ts"), lines.join("\n") + "\n");
}

async function buf(...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await new Deno.Command("npx", {
    args: ["-y", BUF, ...args],
    cwd: ROOT,
    // The plugin is run by the Deno that runs this.
    env: { PATH: [dirname(Deno.execPath()), Deno.env.get("PATH")].join(delimiter) },
    stdin: "null",
  }).output();
  if (code === 0) return;
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  throw new Error(
    `Cannot generate from ${ROOT} as "buf ${args[0]}" must succeed: exit code is ${code}\n${said.trim()}`,
  );
}

async function readTree(directory: string, prefix = ""): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for await (const entry of Deno.readDir(join(directory, prefix))) {
    const name = prefix + entry.name;
    if (!entry.isDirectory) files.set(name, await Deno.readTextFile(join(directory, name)));
    else for (const [path, text] of await readTree(directory, `${name}/`)) files.set(path, text);
  }
  return files;
}

function refuseDrift(fresh: Map<string, string>, committed: Map<string, string>): void {
  const names = new Set([...fresh.keys(), ...committed.keys()]);
  const drifted = [...names].filter((name) => fresh.get(name) !== committed.get(name)).sort();
  if (drifted.length > 0) {
    throw new Error(`Cannot accept proto/gen as it must be what generate.ts makes: ${drifted.join(", ")} differ`);
  }
}

try {
  await main({ check: Deno.args.includes("--check") });
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  Deno.exit(1);
}
