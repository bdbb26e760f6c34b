/**
 * A pod on this machine, with crun, overlays, namespaces and packet rules, and no server at all: the agent follows
 * what was saved. In a network and a mount namespace of its own.
 */
import { deepEqual as assertEquals, equal, ok as assert } from "node:assert/strict";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Pod } from "@k3ts/model/objects";
import { nativeFolder } from "@k3ts/ffi";
import { namesIn, readTextIfThere } from "./files.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const isAble = Deno.uid() === 0 && existsSync(`${nativeFolder()}/libk3ts.so`) && existsSync("/usr/bin/crun") &&
  existsSync("/usr/bin/busybox");

const UID = "0a0a0a0a-0000-4000-8000-000000000001";
const POD: Pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name: "web",
    namespace: "default",
    uid: UID,
    resourceVersion: "1",
    creationTimestamp: "2026-01-01T00:00:00Z",
  },
  spec: {
    nodeName: "lone",
    terminationGracePeriodSeconds: 1,
    initContainers: [{
      name: "init",
      image: "busybox:test",
      command: ["sh", "-c", "echo from-init > /data/said"],
      volumeMounts: [{ name: "data", mountPath: "/data" }],
    }],
    containers: [{
      name: "main",
      image: "busybox:test",
      command: ["sh", "-c", "cat /data/said /settings/color; hostname; sleep 1000"],
      resources: { limits: { memory: "32Mi", cpu: "500m" } },
      volumeMounts: [{ name: "data", mountPath: "/data" }, { name: "settings", mountPath: "/settings" }],
    }],
    volumes: [{ name: "data", emptyDir: { medium: "Memory" } }, { name: "settings", configMap: { name: "settings" } }],
  },
};

/** What an agent that had a server has left on disk. */
async function writeState(dataDir: string): Promise<void> {
  const state = `${dataDir}/node/state`;
  await Deno.mkdir(`${state}/pods`, { recursive: true });
  await Deno.mkdir(`${state}/references`, { recursive: true });
  const cluster = {
    version: 1,
    clusterId: "test",
    storeEpoch: 1,
    kubernetesVersion: "v1.35.4",
    podCidr: "10.42.0.0/16",
    serviceCidr: "10.43.0.0/16",
    dnsAddress: "10.43.0.10",
    clusterDomain: "cluster.local",
    nodeUid: "n",
    nodeCidr: "10.42.0.0/24",
  };
  const settings = {
    metadata: { name: "settings", namespace: "default", uid: "c", resourceVersion: "1" },
    data: { color: "blue\n" },
  };
  const reference = { kind: "ConfigMap", namespace: "default", name: "settings" };
  await Deno.writeTextFile(`${state}/cluster.json`, JSON.stringify(cluster));
  await Deno.writeTextFile(`${state}/pods/default_web.json`, JSON.stringify({ version: 1, object: POD }));
  await Deno.writeTextFile(
    `${state}/references/ConfigMap_default_settings.json`,
    JSON.stringify({ version: 1, reference, object: settings }),
  );
}

/** A layout with one image of one layer: this machine's static busybox. */
async function writeImage(directory: string): Promise<void> {
  const root = `${directory}/root`;
  await Deno.mkdir(`${root}/bin`, { recursive: true });
  await Deno.copyFile("/usr/bin/busybox", `${root}/bin/busybox`);
  for (const name of ["sh", "cat", "sleep", "echo", "hostname"]) await Deno.symlink("busybox", `${root}/bin/${name}`);
  await run("tar", ["-C", root, "-cf", `${directory}/layer.tar`, "."]);
  const layer = new Uint8Array(await Deno.readFile(`${directory}/layer.tar`));
  const hex = async (bytes: Uint8Array<ArrayBuffer>) =>
    new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  const config = new TextEncoder().encode(JSON.stringify({
    os: "linux",
    architecture: Deno.build.arch === "aarch64" ? "arm64" : "amd64",
    config: { Cmd: ["sh"] },
    rootfs: { type: "layers", diff_ids: [`sha256:${await hex(layer)}`] },
  }));
  const layout = `${directory}/image`;
  await Deno.mkdir(layout);
  await Deno.writeFile(`${layout}/layer.tar`, layer);
  await Deno.writeFile(`${layout}/config.json`, config);
  const manifest = [{ Config: "config.json", RepoTags: ["busybox:test"], Layers: ["layer.tar"] }];
  await Deno.writeTextFile(`${layout}/manifest.json`, JSON.stringify(manifest));
}

async function run(command: string, args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args }).output();
  assert(success, new TextDecoder().decode(stderr));
}

/** Looks until it is so, for at most 20 s. */
async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + 20_000; Date.now() < end;) {
    const found = await look().catch(() => undefined);
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`This did not come to be within 20 s: ${what}`);
}

async function ask(dataDir: string, method: string, path: string): Promise<string> {
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path: `${dataDir}/run/agent.sock` } });
  const response = await fetch(`http://agent${path}`, { client, method });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text;
}

interface Found {
  container: string;
  attempt: number;
  pid: string | undefined;
}

async function containers(dataDir: string): Promise<Found[]> {
  const all: Found[] = [];
  for (const name of await namesIn(`${dataDir}/node/containers`)) {
    const directory = `${dataDir}/node/containers/${name}`;
    const record = JSON.parse(await Deno.readTextFile(`${directory}/record.json`));
    all.push({
      container: record.container,
      attempt: record.attempt,
      pid: (await readTextIfThere(`${directory}/pid`))?.trim(),
    });
  }
  return all;
}

const newest = async (dataDir: string) =>
  (await containers(dataDir)).filter((one) => one.container === "main").sort((a, b) => b.attempt - a.attempt)[0];

Deno.test({
  name: "a pod is brought up from what was saved, outlives its agent, is restarted, and leaves nothing",
  ignore: !isAble,
  fn: async () => {
    // Short, as the paths of sockets are.
    const directory = await Deno.makeTempDir({ dir: "/tmp", prefix: "k3" });
    const dataDir = `${directory}/d`;
    await writeState(dataDir);
    await writeImage(directory);
    const deno = `${Deno.execPath()} run --quiet --no-check -A --config ${here("../deno.json")}`;
    const agent = `${deno} ${here("testing/offline_agent.ts")} ${dataDir}`;
    const cleanUp = `${deno} ${here("main.ts")} --data-dir ${dataDir} --remove-all`;
    // The second agent begins when the first has ended, however it has.
    const script = `ip link set lo up; ${agent}; ${agent}; ${cleanUp}; echo "cleaned $?"; ip -br link show type bridge`;
    const shell = new Deno.Command("unshare", { args: ["-nm", "sh", "-c", script], stdout: "piped", stderr: "piped" })
      .spawn();
    const output = shell.output();
    const log = (previous = false) => ask(dataDir, "GET", `/containerLogs/default/web/main?previous=${previous}`);
    try {
      await until("the agent answers", () => ask(dataDir, "GET", "/images"));
      const first = await Deno.readTextFile(`${dataDir}/agent.pid`);
      await ask(dataDir, "POST", `/images/import?path=${directory}/image`);
      const said = await until(
        "the pod runs",
        async () => ((text) => text.includes("web") ? text : undefined)(await log()),
      );
      equal(said, "from-init\nblue\nweb\n");

      const before = await newest(dataDir);
      Deno.kill(Number(first), "SIGKILL");
      const second = await until("another agent runs", async () => {
        const pid = await Deno.readTextFile(`${dataDir}/agent.pid`);
        return pid !== first && await ask(dataDir, "GET", "/images") !== "" ? pid : undefined;
      });
      equal(await log(), said, "the second agent serves what the first began");
      assertEquals(await newest(dataDir), before, "the container never noticed");

      Deno.kill(Number(before!.pid), "SIGKILL");
      const after = await until("it is started again", async () => {
        const found = await newest(dataDir);
        // Until it has started, the log of the one before it is its own.
        return found?.attempt === 1 && await log(true) === said && (await log()).includes("web") ? found : undefined;
      });
      assert(after.pid !== before?.pid);
      Deno.kill(Number(second), "SIGTERM");
    } catch (error) {
      // Both agents end at once, so that what follows them cleans up.
      await Deno.writeTextFile(`${dataDir}/stop`, "");
      Deno.kill(Number(await Deno.readTextFile(`${dataDir}/agent.pid`)), "SIGKILL");
      throw new Error(new TextDecoder().decode((await output).stderr).slice(-4000), { cause: error });
    }
    const { stdout, stderr } = await output;
    equal(new TextDecoder().decode(stdout), "cleaned 0\n", new TextDecoder().decode(stderr));
    assertEquals(await namesIn(`${dataDir}/node/containers`), []);
    equal(existsSync(`/sys/fs/cgroup/memory/k3ts/${UID}`) || existsSync(`/sys/fs/cgroup/k3ts/${UID}`), false);
    await Deno.remove(directory, { recursive: true });
  },
});
