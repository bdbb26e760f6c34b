/** From a pod that has a node to a pod that runs, beside the OCI runtime alone with the same bundle. */
import { eventually, type ProcessName, TestCluster } from "@k3ts/tests/cluster";
import type { Input as CrunInput } from "./inside/bare_crun.ts";
import type { Input as PodInput, PodTimes } from "./inside/pod_starts.ts";
import { usedBetween, useOf } from "@k3ts/tools/processes";
import { quantile, round, spread, type Table } from "./report.ts";
import { provideImage, runInside, sleeper } from "./workload.ts";

const ONE_BY_ONE = 30;
const TOGETHER = 50;

/** crun refuses machines with both versions of control groups mounted; it is not shown the second. */
const WITHOUT_CGROUP_V2 = [
  "unshare",
  "--mount",
  "sh",
  "-c",
  'umount -l /sys/fs/cgroup/unified 2>/dev/null; exec "$@"',
  "sh",
];

export async function* pods(): AsyncGenerator<Table> {
  await using cluster = await TestCluster.start();
  await provideImage(cluster);
  const config = await bundleOf(cluster, "model");
  const crun = (count: number, together: boolean) =>
    runInside<number[]>(cluster, "bare_crun", { config, count, together } satisfies CrunInput, WITHOUT_CGROUP_V2);
  const start = async (count: number, together: boolean) => {
    const kubeconfig = `${cluster.dataDir}/admin.kubeconfig`;
    const times = await runInside<PodTimes[]>(
      cluster,
      "pod_starts",
      { kubeconfig, count, together } satisfies PodInput,
    );
    await eventually(() => onlyOneLeft(cluster), 60);
    return times;
  };
  await start(3, false); // what only the first pods pay
  const before = await crun(ONE_BY_ONE / 2, false);
  const single = await start(ONE_BY_ONE, false);
  const bare = [...before, ...await crun(ONE_BY_ONE / 2, false)];
  const bound = single.map(({ bound, running }) => running - bound);
  yield {
    title: `Pods one by one (${ONE_BY_ONE}), as a watcher sees them`,
    columns: ["", "p50 ms", "p95 ms", "min ms"],
    rows: [
      ["create to answered", ...spread(single.map(({ created }) => created))],
      ["create to bound", ...spread(single.map(({ bound }) => bound))],
      ["bound to Running", ...spread(bound)],
      ["crun run alone", ...spread(bare)],
    ],
    notes: [`bound to Running is ${round(quantile(bound, 0.5) / quantile(bare, 0.5))} times crun run at the median.`],
  };

  const usesBefore = await usesOf(cluster);
  const many = await start(TOGETHER, true);
  const usesAfter = await usesOf(cluster);
  const bareMany = await crun(TOGETHER, true);
  const end = (values: number[]) => Math.max(...values);
  yield {
    title: `${TOGETHER} pods at once`,
    columns: ["", "p50 ms", "p95 ms", "min ms"],
    rows: [
      ["bound to Running", ...spread(many.map(({ bound, running }) => running - bound))],
      ["first create to Running", ...spread(many.map(({ running }) => running))],
      ["crun run alone, all spawned at once", ...spread(bareMany)],
    ],
    notes: [
      `All ran after ${round(end(many.map(({ running }) => running)))} ms, those of crun alone after ` +
      `${round(end(bareMany))} ms: ${round(end(many.map(({ running }) => running)) / end(bareMany))} times.`,
    ],
  };
  yield {
    title: `CPU time of a pod's life, from create to removed, of the ${TOGETHER}`,
    columns: ["process", "ms a pod"],
    rows: BUSY.map((
      name,
      index,
    ) => [name, round(usedBetween(usesBefore[index]!, usesAfter[index]!).seconds * 1000 / TOGETHER)]),
  };
}

/** What is left of a pod that was deleted keeps the node busy for some time. */
async function onlyOneLeft(cluster: TestCluster): Promise<void> {
  const folder = `${cluster.dataDir}/node/sandboxes`;
  const left = (await Array.fromAsync(Deno.readDir(folder))).length;
  if (left !== 1) throw new Error(`${left} sandboxes are in ${folder}, and 1 should be`);
}

const BUSY: ProcessName[] = ["gateway", "server", "plugins", "agent"];

function usesOf(cluster: TestCluster) {
  return Promise.all(BUSY.map(async (name) => useOf(await cluster.pidOf(name))));
}

/** A pod that stays, whose bundle the runtime alone is given. @returns the path of its config.json */
async function bundleOf(cluster: TestCluster, name: string): Promise<string> {
  const applied = await cluster.run([cluster.kubectlPath, "create", "-f", "-"], {
    input: JSON.stringify(sleeper(name)),
  });
  if (applied.code !== 0) throw new Error(applied.stderr);
  await cluster.kubectl("wait", "--for=condition=Ready", `pod/${name}`, "--timeout=60s");
  const uid = await cluster.kubectl("get", "pod", name, "-o", "jsonpath={.metadata.uid}");
  const containers = `${cluster.dataDir}/node/containers`;
  for await (const { name: folder } of Deno.readDir(containers)) {
    const config = `${containers}/${folder}/config.json`;
    if ((await Deno.readTextFile(config)).includes(uid)) return config;
  }
  throw new Error(`Cannot find the bundle of pod "${name}" below ${containers}`);
}
