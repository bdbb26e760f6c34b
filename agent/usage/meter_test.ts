import { deepEqual, equal, ok } from "node:assert/strict";
import { systemClock } from "@k3ts/model/objects";
import { Meter } from "./meter.ts";
import { resourceMetricsOf, summaryOf } from "./pages.ts";
import { reportOf } from "./report.ts";

const pod = {
  namespace: "default",
  name: "web",
  uid: "u1",
  startedAt: Date.now() - 10_000,
  containers: [
    { id: "u1-web-0", name: "web", startedAt: Date.now() - 10_000 },
    { id: "u1-gone-0", name: "gone", startedAt: Date.now() - 10_000 },
  ],
};

/** A tree as the kernel would show it. */
async function cgroups(version: 1 | 2) {
  const root = await Deno.makeTempDir();
  const write = async (path: string, text: string) => {
    await Deno.mkdir(`${root}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(`${root}/${path}`, text);
  };
  if (version === 2) await write("cgroup.controllers", "cpu memory\n");
  for (const group of ["k3ts/u1", "k3ts/u1/u1-web-0"]) {
    if (version === 2) {
      await write(`${group}/cpu.stat`, "usage_usec 5000000\n");
      await write(`${group}/memory.current`, "2097152\n");
      await write(`${group}/memory.stat`, "inactive_file 1048576\n");
    } else {
      await write(`cpu,cpuacct/${group}/cpuacct.usage`, "5000000000\n");
      await write(`memory/${group}/memory.usage_in_bytes`, "2097152\n");
      await write(`memory/${group}/memory.stat`, "total_inactive_file 1048576\n");
    }
  }
  return { root, [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }) };
}

for (const version of [1, 2] as const) {
  Deno.test(`containers are measured with control groups of version ${version}, and one that has gone is left out`, async () => {
    await using tree = await cgroups(version);
    const meter = new Meter({ cgroupParent: "k3ts", pods: () => [pod], clock: systemClock, root: tree.root });
    const measured = await meter.measure();
    const [only] = measured.pods;
    deepEqual(only!.containers.map(({ name }) => name), ["web"]);
    const { pods } = reportOf(measured);
    const usage = pods[0]!.containers[0]!.usage;
    equal(usage.memoryBytes, 1_048_576n);
    // Five seconds in the ten since it started.
    ok(usage.cpuNanocores > 400_000_000n && usage.cpuNanocores <= 500_000_000n, `${usage.cpuNanocores}`);
    equal(await meter.recent(), measured);
  });
}

Deno.test("what is measured is told as the kubelet tells it", async () => {
  await using tree = await cgroups(2);
  const meter = new Meter({ cgroupParent: "k3ts", pods: () => [pod], clock: systemClock, root: tree.root });
  const measured = await meter.measure();
  const text = resourceMetricsOf(measured);
  const at = measured.at;
  ok(
    text.includes(`\ncontainer_cpu_usage_seconds_total{container="web",namespace="default",pod="web"} 5 ${at}\n`),
    text,
  );
  ok(text.includes(`\npod_memory_working_set_bytes{namespace="default",pod="web"} 1048576 ${at}\n`), text);
  ok(/^node_cpu_usage_seconds_total \d+(\.\d+)? \d+$/m.test(text), text);
  const summary = JSON.parse(JSON.stringify(summaryOf(measured, { nodeName: "n1", startedAt: 0, memoryBytes: 2e9 })));
  equal(summary.node.nodeName, "n1");
  deepEqual(summary.pods[0].podRef, { namespace: "default", name: "web", uid: "u1" });
  equal(summary.pods[0].containers[0].memory.workingSetBytes, 1_048_576);
  equal(summary.pods[0].cpu.usageCoreNanoSeconds, 5e9);
});
