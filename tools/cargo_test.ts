import { deepEqual } from "node:assert/strict";
import { inTarget } from "./cargo.ts";
import { output } from "./run.ts";

Deno.test("what is built in a shared target folder is of the checkout that builds, not of the one that did last", async () => {
  const folder = await Deno.makeTempDir({ prefix: "k3ts-cargo-" });
  try {
    const target = `${folder}/target`;
    const checkouts = ["one", "other"].map((name) => ({ name, workspace: `${folder}/${name}` }));
    for (const { name, workspace } of checkouts) {
      await Deno.mkdir(`${workspace}/says/src`, { recursive: true });
      await Deno.writeTextFile(`${workspace}/Cargo.toml`, '[workspace]\nmembers = ["says"]\nresolver = "3"\n');
      await Deno.writeTextFile(`${workspace}/says/Cargo.toml`, '[package]\nname = "says"\nedition = "2024"\n');
      await Deno.writeTextFile(`${workspace}/says/src/main.rs`, `fn main() { print!("${name}"); }`);
    }
    const built = [...checkouts, checkouts[0]!].map(({ workspace }) => () =>
      inTarget(async (cargo) => {
        const code = await cargo(["build", "--offline", "--quiet"]);
        return code === 0 ? await output([`${target}/debug/says`]) : `exit ${code}`;
      }, { workspace, target })
    );
    const said: string[] = [];
    for (const build of built) said.push(await build());
    deepEqual(said, ["one", "other", "one"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
