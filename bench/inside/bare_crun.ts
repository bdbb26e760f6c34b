/**
 * The OCI runtime alone: `crun run --detach` of a bundle, from the spawn to its end, which is when the container runs.
 * Reads `Input`, writes milliseconds as a JSON array. Runs in a mount namespace of its own.
 */
import { dirname } from "node:path";

export interface Input {
  /** A config.json whose root file system and namespaces are there. */
  config: string;
  count: number;
  together: boolean;
}

const input: Input = JSON.parse(await new Response(Deno.stdin.readable).text());
const folder = await Deno.makeTempDir({ prefix: "k3ts-bare-" });
const spec = JSON.parse(await Deno.readTextFile(input.config));

async function crun(...words: string[]): Promise<void> {
  // Containers inherit what crun has: a pipe of ours would never end.
  const { success } = await new Deno.Command("crun", {
    args: ["--root", `${folder}/state`, ...words],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn().status;
  if (!success) throw new Error(`crun ${words.join(" ")} failed`);
}

async function prepare(id: string): Promise<string> {
  const bundle = `${folder}/${id}`;
  await Deno.mkdir(bundle);
  // In the cgroup of the cluster whose bundle it is, with which it goes.
  const cgroupsPath = `${dirname(dirname(spec.linux.cgroupsPath))}/${id}`;
  const own = { ...spec, linux: { ...spec.linux, cgroupsPath } };
  await Deno.writeTextFile(`${bundle}/config.json`, JSON.stringify(own));
  return bundle;
}

const ids = Array.from({ length: input.count }, (_, index) => `bare-${Deno.pid}-${index}`);
const times: number[] = [];
try {
  const bundles = new Map<string, string>();
  for (const id of ids) bundles.set(id, await prepare(id));
  const run = async (id: string, begin: number) => {
    await crun("run", "--detach", "--bundle", bundles.get(id)!, id);
    times.push(performance.now() - begin);
  };
  if (input.together) {
    const begin = performance.now();
    await Promise.all(ids.map((id) => run(id, begin)));
  } else {
    for (const id of ids) {
      await run(id, performance.now());
      await crun("delete", "--force", id);
    }
  }
} finally {
  for (const id of ids) await crun("delete", "--force", id).catch(() => {}); // deleted already, or never made
  await Deno.remove(folder, { recursive: true });
}
console.log(JSON.stringify(times));
