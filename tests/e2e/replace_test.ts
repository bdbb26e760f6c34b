/** An upgrade: programs are replaced by others while clients connect, ask and resolve, and not one of them fails. */
import { TextLineStream } from "@k3ts/tools/lines";
import { equal, match, notEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { nativeProgram } from "../supervisor/supervised.ts";
import { eventually, TestCluster } from "./cluster.ts";
import { readAdmin } from "./credentials.ts";
import type { Way } from "./upgrade_client.ts";

const ROUNDS = 3;
/** Answers of each kind between two replacements. */
const ANSWERS_MIN = 10;
const REPLACED = ["gateway", "dataplane"] as const;

Deno.test("gateway and dataplane are replaced by newer programs, and nobody is refused", async () => {
  await using cluster = await TestCluster.prepare();
  // Programs of its own, that others can take the place of.
  const native = `${cluster.dataDir}/native`;
  await Deno.mkdir(native);
  for await (const { name } of Deno.readDir(nativeProgram("."))) {
    await Deno.symlink(await Deno.realPath(nativeProgram(name)), `${native}/${name}`);
  }
  cluster.environment = { K3TS_NATIVE: native };
  await cluster.up();
  await eventually(() => cluster.kubectl("get", "--raw", "/readyz"));
  await using client = await startClient(cluster);
  await client.goesOn();
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of REPLACED) {
      const program = `${native}/k3ts-${name}`;
      await Deno.copyFile(nativeProgram(`k3ts-${name}`), `${program}.next`);
      await Deno.rename(`${program}.next`, program);
      const before = await cluster.pidOf(name);
      match(
        await cluster.k3ts("restart", name, "--data-dir", cluster.dataDir),
        new RegExp(`^${name} was replaced: process ${before} by \\d+\\.$`, "m"),
      );
      const after = await cluster.pidOf(name);
      notEqual(after, before);
      equal(await Deno.readLink(`/proc/${after}/exe`), program);
      await client.goesOn();
    }
  }
  // All of them, also those that serve one at a time: the server's requests wait for the next one.
  const pids = await Promise.all(
    (["gateway", "server", "agent", "dataplane"] as const).map((name) => cluster.pidOf(name)),
  );
  await client[Symbol.asyncDispose]();
  await cluster.k3ts("restart", "--data-dir", cluster.dataDir);
  match(await cluster.kubectl("get", "nodes"), /n1 +Ready/);
  for (const [index, name] of (["gateway", "server", "agent", "dataplane"] as const).entries()) {
    notEqual(await cluster.pidOf(name), pids[index]);
  }
  const { code, stderr } = await cluster.tryK3ts("restart", "shim", "--data-dir", cluster.dataDir);
  equal(code, 1);
  match(stderr, /There is no process "shim" .*: there are gateway, server, agent, dataplane\./);
});

/** Runs upgrade_client.ts on the machine. */
async function startClient(cluster: TestCluster): Promise<{ goesOn(): Promise<void> } & AsyncDisposable> {
  const script = fileURLToPath(new URL("upgrade_client.ts", import.meta.url));
  const child = cluster.command([Deno.execPath(), "run", "-A", script], { stdin: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(JSON.stringify(await readAdmin(cluster))));
  await writer.close();
  let served: Record<Way, number> = { fresh: 0, kept: 0, udp: 0, tcp: 0 };
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  const reading = (async () => {
    for await (const line of lines) served = JSON.parse(line);
  })();
  const said = new Response(child.stderr).text();
  let stopped = false;
  const failed = child.status.then(async () => {
    if (!stopped) throw new Error(`A client failed: ${await said}`);
  });
  failed.catch(() => {}); // of interest to whoever waits for answers
  return {
    async goesOn() {
      const before = { ...served };
      const more = eventually(() => {
        const ways = Object.entries(served) as [Way, number][];
        const stuck = ways.filter(([way, count]) => count < before[way] + ANSWERS_MIN).map(([way]) => way);
        if (stuck.length > 0) throw new Error(`No answers come any more for ${stuck.join(", ")}`);
      });
      await Promise.race([more, failed]);
    },
    async [Symbol.asyncDispose]() {
      if (stopped) return;
      stopped = true;
      child.kill("SIGKILL");
      await failed;
      await reading;
    },
  };
}
