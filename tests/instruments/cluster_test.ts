/** The cluster to try things on, as a person types it. It has a cache of its own, so that one that is there stays. */
import { deepEqual, equal, match } from "node:assert/strict";
import { dirname } from "node:path";
import { nativeFolder } from "@k3ts/ffi";
import { ensureKubectl } from "@k3ts/tools/kubectl";
import { CACHE } from "@k3ts/tools/paths";
import { PEERS_FOLDER } from "@k3ts/tools/peers";
import { eventually, type Output, ROOT } from "../e2e/machine.ts";
import { brokenTree, type Fault } from "./broken_tree.ts";

class Person implements AsyncDisposable {
  private constructor(readonly cache: string, readonly root: string) {}

  /** @param root the checkout in which they are */
  static async start(root = ROOT): Promise<Person> {
    const cache = await Deno.makeTempDir({ prefix: "k3ts-cluster-" });
    await ensureKubectl();
    await Deno.mkdir(`${cache}/k3ts`);
    // What is there already need not be built or downloaded again.
    await Deno.symlink(PEERS_FOLDER, `${cache}/k3ts/peers`);
    await Deno.symlink(`${dirname(CACHE)}/deno`, `${cache}/deno`);
    return new Person(cache, root);
  }

  command(...words: string[]): Deno.Command {
    return new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "-A", `${this.root}/tests/cluster/main.ts`, ...words],
      cwd: this.root,
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

/** A cluster of one node, of a k3ts with these faults, must not start. @returns what the person is told */
async function saidOf(...faults: Fault[]): Promise<string> {
  await using tree = await brokenTree(faults);
  await using person = await Person.start(tree.root);
  const starting = person.command("up", "--nodes", "1").spawn();
  const { test } = await eventually(() => person.state());
  const { code, stdout, stderr } = await starting.output();
  deepEqual([code, new TextDecoder().decode(stdout)], [1, ""]);
  deepEqual(await leftOf(test), []);
  match((await person.types("status")).stderr, /There is no cluster: start one with/);
  return new TextDecoder().decode(stderr);
}

Deno.test("a cluster whose node is never Ready is told to be that, and taken away", async () => {
  const said = await saidOf({
    file: "agent/node/node_object.ts",
    find: '{ type: "Ready", status: "True", reason: "KubeletReady"',
    replace: '{ type: "Ready", status: "False", reason: "KubeletNotReady"',
  }, { file: "ctl/components/ready.ts", find: "READY_MS_MAX = 120_000", replace: "READY_MS_MAX = 10_000" });
  match(
    said,
    /^It did not start, and all of it was removed:\n[^]*Not everything was ready within 10 s\.\nThe node n1 is not Ready: /,
  );
});

Deno.test("a cluster of which a process does not stay is told by its last words, and taken away", async () => {
  const said = await saidOf({
    file: "agent/main.ts",
    find: 'const dataDir = values["data-dir"];',
    replace: 'const dataDir = values["data-dir"];\n  console.error("the node is broken");\n  Deno.exit(1);',
  });
  match(said, /^It did not start[^]*The process agent ends again and again \(exit 1\)\.[^]*the node is broken/);
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
