/** Every one of our processes is killed while clients use a Service: none of them may notice. */
import { deepEqual as assertEquals, equal, ok as assert } from "node:assert/strict";
import { eventually, type ProcessName, ROOT, TestCluster } from "./cluster.ts";

const PROCESSES: ProcessName[] = ["supervisor", "gateway", "server", "plugins", "agent", "dataplane"];
/** All is managed again within this time. */
const BACK_SECONDS_MAX = 15;

/** What must not change: container ids and restart counts. */
async function containers(cluster: TestCluster): Promise<string> {
  const template =
    '{range .items[*]}{.metadata.name}{range .status.containerStatuses[*]} {.containerID} {.restartCount}{end}{"\\n"}{end}';
  return await cluster.kubectl("get", "pods", "-l", "app=hello", "-o", `jsonpath=${template}`);
}

/** Something that needs every process: a new pod gets a node, an address, a name, and is Ready. */
async function provesManaged(cluster: TestCluster, name: string): Promise<void> {
  const manifest = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "c", image: "busybox:1.37", command: ["sleep", "3600"] }],
    },
  };
  const applied = await cluster.run([cluster.kubectlPath, "apply", "-f", "-"], { input: JSON.stringify(manifest) });
  equal(applied.code, 0, applied.stderr);
  await cluster.kubectl("wait", "--for=condition=Ready", `pod/${name}`, `--timeout=${BACK_SECONDS_MAX}s`);
  await cluster.kubectl("exec", name, "--", "nslookup", "hello.default.svc.cluster.local");
  await cluster.kubectl("delete", "pod", name, "--wait=false");
}

Deno.test("kill -9 of each process: no container restarts, no request fails, all is managed again", async (t) => {
  await using cluster = await TestCluster.start("--demo");
  await cluster.says("Hello from k3ts");
  const before = await containers(cluster);
  const address = await cluster.kubectl("get", "service", "hello", "-o", "jsonpath={.spec.clusterIP}");
  const client = cluster.command([
    Deno.execPath(),
    "run",
    "--quiet",
    "-A",
    `${ROOT}/tests/e2e/fetcher.ts`,
    `http://${address}/`,
  ]).spawn();
  try {
    for (const name of PROCESSES) {
      await t.step(name, async () => {
        const pid = await cluster.pidOf(name);
        Deno.kill(pid, "SIGKILL");
        await eventually(
          async () =>
            assert(
              await cluster.pidOf(name) !== pid && await isRunning(await cluster.pidOf(name)),
              `${name} is not back`,
            ),
          BACK_SECONDS_MAX,
        );
        await eventually(() => provesManaged(cluster, `after-${name}`), BACK_SECONDS_MAX);
        equal(await containers(cluster), before);
      });
    }
  } finally {
    client.kill("SIGTERM");
  }
  const { stdout } = await client.output();
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  const { fetched, failed } = JSON.parse(lines.at(-1)!) as { fetched: number; failed: number };
  assertEquals([failed, lines.slice(0, -1)], [0, []]);
  assert(fetched > 50, `only ${fetched} requests were made`);
});

async function isRunning(pid: number): Promise<boolean> {
  return await Deno.stat(`/proc/${pid}`).then(() => true, () => false);
}
