/** From a pod that has a node to a pod that runs, beside the OCI runtime alone with the same bundle. */
import { eventually, type ProcessName, TestCluster } from "@k3ts/tests/cluster";
import type { Benchmark, Sample, Setting, Sides } from "../core/benchmark.ts";
import { median } from "../core/statistics.ts";
import type { Input as CrunInput } from "../inside/bare_crun.ts";
import type { Input as PodInput, PodTimes } from "../inside/pod_starts.ts";
import { busySeconds } from "../machine.ts";
import { usedDuring } from "../sides/control_plane.ts";
import { provideImage, runInside, runPods, sleeper } from "../workload.ts";

const CRUN = "crun alone";
const ONE = "one pod, from bound to Running";
const MANY = "many at once, until all run";
const CPU = "CPU time of the whole machine for one of many, from create to removed";

/** Ours whose CPU time is told by itself. */
const BUSY: ProcessName[] = ["agent", "server", "plugins", "gateway"];

/** crun refuses machines with both versions of control groups mounted; it is not shown the second. */
const WITHOUT_CGROUP_V2 = [
  "unshare",
  "--mount",
  "sh",
  "-c",
  'umount -l /sys/fs/cgroup/unified 2>/dev/null; exec "$@"',
  "sh",
];

export const pods: Benchmark = {
  name: "pods",
  what:
    "Pods that sleep, whose image is there; each gets an address, DNS and a service account's token, and a watcher " +
    "takes the times. crun alone runs the bundle of such a pod, whose files, namespaces and configuration are made " +
    "already: what it takes is the least that any kubelet would.",
  rounds: 8,
  parameters: { single: 5, many: 30 },
  quick: { single: 2, many: 4 },
  figures: [
    { name: ONE, unit: "ms", better: "less", goal: { value: 150 } },
    { name: MANY, unit: "ms", better: "less" },
    { name: CPU, unit: "ms", better: "less" },
    ...BUSY.map((name) => ({ name: cpuOf(name), unit: "ms", better: "less" as const })),
  ],
  open,
};

function cpuOf(name: ProcessName): string {
  return `CPU time of the ${name} for one of many`;
}

async function open({ parameters, peers, say }: Setting): Promise<Sides> {
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(await TestCluster.start());
  await provideImage(cluster);
  const [model] = await runPods(cluster, [sleeper("model")]);
  const config = await bundleOf(cluster, model!.uid);
  say("a pod runs, whose bundle crun is given");
  const ours = { name: "k3ts", measure: () => measureOurs(cluster, parameters) };
  const theirs = { name: CRUN, measure: () => measureCrun(cluster, config, parameters) };
  const kept = stack.move();
  return { sides: peers ? [ours, theirs] : [ours], [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function measureOurs(cluster: TestCluster, { single, many }: Record<string, number>): Promise<Sample> {
  const kubeconfig = cluster.kubeconfig;
  const run = async (count: number, together: boolean) => {
    const input = { kubeconfig, count, together } satisfies PodInput;
    const times = await runInside<PodTimes[]>(cluster, "pod_starts", input);
    await eventually(() => onlyModelLeft(cluster), 60);
    return times;
  };
  const one = await run(single!, false);
  const pids = Object.fromEntries(await Promise.all(BUSY.map(async (name) => [name, await cluster.pidOf(name)])));
  const busyBefore = await busySeconds();
  const { result: all, used } = await usedDuring(pids, () => run(many!, true));
  const busy = await busySeconds() - busyBefore;
  return {
    ...Object.fromEntries(BUSY.map((name) => [cpuOf(name), used[name]!.seconds * 1000 / many!])),
    [ONE]: median(one.map(({ bound, running }) => running - bound)),
    [MANY]: Math.max(...all.map(({ running }) => running)),
    [CPU]: busy * 1000 / many!,
  };
}

async function measureCrun(
  cluster: TestCluster,
  config: string,
  { single, many }: Record<string, number>,
): Promise<Sample> {
  const run = (count: number, together: boolean) =>
    runInside<number[]>(cluster, "bare_crun", { config, count, together } satisfies CrunInput, WITHOUT_CGROUP_V2);
  const one = await run(single!, false);
  const busyBefore = await busySeconds();
  const all = await run(many!, true);
  const busy = await busySeconds() - busyBefore;
  return { [ONE]: median(one), [MANY]: Math.max(...all), [CPU]: busy * 1000 / many! };
}

/** What is left of a pod that was deleted keeps the node busy for some time. */
async function onlyModelLeft(cluster: TestCluster): Promise<void> {
  const folder = `${cluster.dataDir}/node/sandboxes`;
  const left = (await Array.fromAsync(Deno.readDir(folder))).length;
  if (left !== 1) throw new Error(`${left} sandboxes are in ${folder}, and 1 should be`);
}

/** @returns the path of the config.json of a pod that runs */
async function bundleOf(cluster: TestCluster, uid: string): Promise<string> {
  const containers = `${cluster.dataDir}/node/containers`;
  for await (const { name: folder } of Deno.readDir(containers)) {
    const config = `${containers}/${folder}/config.json`;
    if ((await Deno.readTextFile(config)).includes(uid)) return config;
  }
  throw new Error(`Cannot find the bundle of pod ${uid} below ${containers}`);
}
