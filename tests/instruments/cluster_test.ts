/** The cluster to try things on, as a person types it. It has a cache of its own, so that one that is there stays. */
import { deepEqual, equal, match } from "node:assert/strict";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { nativeFolder } from "@k3ts/ffi";
import { ensureKubectl } from "@k3ts/tools/kubectl";
import { CACHE } from "@k3ts/tools/paths";
import { PEERS_FOLDER } from "@k3ts/tools/peers";
import { eventually, type Output } from "../e2e/machine.ts";

const MAIN = fileURLToPath(new URL("../cluster/main.ts", import.meta.url));

class Person implements AsyncDisposable {
  private constructor(readonly cache: string) {}

  static async start(): Promise<Person> {
    const cache = await Deno.makeTempDir({ prefix: "k3ts-cluster-" });
    await ensureKubectl();
    await Deno.mkdir(`${cache}/k3ts`);
    // What is there already need not be built or downloaded again.
    await Deno.symlink(PEERS_FOLDER, `${cache}/k3ts/peers`);
    await Deno.symlink(`${dirname(CACHE)}/deno`, `${cache}/deno`);
    return new Person(cache);
  }

  command(...words: string[]): Deno.Command {
    return new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "-A", MAIN, ...words],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      env: { XDG_CACHE_HOME: this.cache, K3TS_NATIVE: nativeFolder(), NO_COLOR: "1" },
    });
  }

  async types(...words: string[]): Promise<Output> {
    const { code, stdout, stderr } = await this.command(...words).output();
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  }

  async state(): Promise<{ test: string; keeper: { pid: number } }> {
    return JSON.parse(await Deno.readTextFile(`${this.cache}/k3ts/cluster/state.json`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.types("down");
    await Deno.remove(this.cache, { recursive: true });
  }
}

Deno.test("a person has a cluster of two nodes, on which things are tried, until it is taken down", async () => {
  await using person = await Person.start();
  match((await person.types("status")).stderr, /There is no cluster: start one with/);
  const started = await person.types("up", "--nodes", "2");
  equal(started.code, 0, started.stderr);
  match(started.stdout, /^2 nodes are Ready\.\n[^]*export KUBECONFIG=\S+[^]*nsenter --net=\S+-n2 bash/);
  const { test } = await person.state();

  const again = await person.types("up");
  deepEqual([again.code, again.stdout.split("\n")[0]], [0, "It is there already."]);
  equal((await person.state()).test, test);
  match((await person.types("kubectl", "get", "nodes", "-o", "name")).stdout, /^node\/n1\nnode\/n2\n$/);
  match((await person.types("k3ts", "get", "nodes", "--no-headers")).stdout, /^n1 +Ready .*\nn2 +Ready /);
  const inside = await person.types(
    "exec",
    "n2",
    "sh",
    "-c",
    "ip -4 -o address show eth0; kubectl get node n2; exit 7",
  );
  equal(inside.code, 7, inside.stderr);
  match(inside.stdout, /192\.168\.77\.2\/24[^]*n2 +Ready/);
  match((await person.types("exec", "n3", "true")).stderr, /There is no machine n3: n1, n2\./);
  match((await person.types("status")).stdout, /n2 +Ready/);

  const ended = await person.types("down");
  deepEqual([ended.code, ended.stdout], [0, "The cluster is gone, with all that it had.\n"]);
  deepEqual(await leftOf(test), []);
  equal((await person.types("down")).stdout, "There is no cluster.\n");
});

Deno.test("nothing is left of a cluster whose start was broken off, or that lost what keeps it", async () => {
  await using person = await Person.start();
  const starting = person.command("up", "--nodes", "2").spawn();
  const half = await eventually(async () => {
    const state = await person.state();
    await Deno.stat(`/run/netns/${state.test}-n2`);
    return state;
  });
  equal((await person.types("down")).code, 0);
  const { code, stderr } = await starting.output();
  equal(code, 1);
  match(new TextDecoder().decode(stderr), /It did not start/);
  deepEqual(await leftOf(half.test), []);

  equal((await person.types("up", "--nodes", "1")).code, 0);
  const kept = await person.state();
  Deno.kill(kept.keeper.pid, "SIGKILL");
  await eventually(async () => match((await person.types("status")).stderr, /is no more/));
  equal((await person.types("down")).code, 0);
  deepEqual(await leftOf(kept.test), []);
});

/** Files, networks, mounts, cgroups and processes. */
async function leftOf(test: string): Promise<string[]> {
  const found: string[] = [];
  for (const folder of ["/tmp", "/run/netns", "/sys/fs/cgroup", "/sys/fs/cgroup/memory"]) {
    if (!await Deno.stat(folder).then(() => true, () => false)) continue;
    for await (const { name } of Deno.readDir(folder)) if (name.startsWith(test)) found.push(`${folder}/${name}`);
  }
  for await (const { name } of Deno.readDir("/proc")) {
    const command = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    if (/^\d+$/.test(name) && command.includes(`/${test}/`)) found.push(command.replaceAll("\0", " "));
  }
  const mounts = (await Deno.readTextFile("/proc/self/mounts")).split("\n");
  return [...found, ...mounts.filter((line) => line.includes(`/${test}/`))];
}
