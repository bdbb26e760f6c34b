/** What a cluster holds and does while nobody asks it for anything. */
import { delay } from "@k3ts/client";
import { type ProcessName, TestCluster } from "@k3ts/tests/cluster";
import { processesWith } from "@k3ts/tools/processes";
import type { Benchmark, Sample, Setting, Side, Sides } from "../core/benchmark.ts";
import { memoryOfAll, started, usedDuring } from "../sides/control_plane.ts";
import { kubeControlPlane } from "../sides/kube.ts";
import { provideImage, runPods, sleeper } from "../workload.ts";

const PEER = "kube control plane + etcd";
const CONTROL_PLANE: ProcessName[] = ["supervisor", "gateway", "server", "plugins"];
const NODE: ProcessName[] = ["agent", "dataplane"];

const WHOLE = "everything, a node and DNS included";
const ALONE = "control plane";
const WITH_PODS = "everything, with pods";

const figuresOf = (what: string) =>
  [
    { name: `${what}: memory, shared pages by their part (PSS)`, unit: "MB" },
    { name: `${what}: memory, RSS`, unit: "MB" },
    { name: `${what}: CPU time`, unit: "% of a core" },
    { name: `${what}: wake-ups`, unit: "1/s" },
  ].map((figure) => ({
    ...figure,
    better: "less" as const,
    ...what !== WITH_PODS && { goal: { ratio: 1, of: PEER } },
  }));

export const idle: Benchmark = {
  name: "idle",
  what:
    "A cluster started afresh in each round, left alone, then looked at. k3ts is `k3ts up`: control plane, a node and " +
    "DNS, and the command itself. The peer is etcd, kube-apiserver, kube-controller-manager and kube-scheduler, without " +
    "leader election, and nothing else: kubelet, container runtime, kube-proxy and CoreDNS would come on top.",
  rounds: 6,
  parameters: { settle: 30, seconds: 20, pods: 20 },
  quick: { settle: 3, seconds: 3, pods: 2 },
  figures: [
    ...figuresOf(WHOLE).map((figure) => figure.name.endsWith("(PSS)") ? { ...figure, goal: { value: 350 } } : figure),
    ...figuresOf(ALONE),
    ...figuresOf(WITH_PODS),
  ],
  open: ({ parameters, peers, say }: Setting): Promise<Sides> => {
    const ours: Side = { name: "k3ts", measure: () => measureOurs(parameters) };
    const theirs: Side = { name: PEER, measure: () => measureTheirs(parameters, say) };
    return Promise.resolve({
      sides: peers ? [ours, theirs] : [ours],
      [Symbol.asyncDispose]: () => Promise.resolve(), // each round leaves nothing
    });
  },
};

type Pids = Record<string, number>;

async function measureOurs({ settle, seconds, pods }: Record<string, number>): Promise<Sample> {
  await using cluster = await TestCluster.start();
  const pidsOf = async (names: ProcessName[]): Promise<Pids> =>
    Object.fromEntries(await Promise.all(names.map(async (name) => [name, await cluster.pidOf(name)])));
  const alone = await pidsOf(CONTROL_PLANE);
  const command = await processesWith("ctl/main.ts", cluster.dataDir);
  const whole = { ...alone, ...await pidsOf(NODE), ...numbered("k3ts up", command) };
  await pause(settle!);
  const first = await look({ [ALONE]: alone, [WHOLE]: whole }, seconds!);
  await provideImage(cluster);
  await runPods(cluster, Array.from({ length: pods! }, (_, number) => sleeper(`idle-${number}`)));
  await pause(settle!);
  const shims = numbered("shim", await cluster.shimPids());
  return { ...first, ...await look({ [WITH_PODS]: { ...whole, ...shims } }, seconds!) };
}

async function measureTheirs(
  { settle, seconds }: Record<string, number>,
  say: (line: string) => void,
): Promise<Sample> {
  await using plane = await started(kubeControlPlane({ store: "etcd", controllers: true, say }));
  await pause(settle!);
  const pids = await plane.pids();
  return await look({ [ALONE]: pids, [WHOLE]: pids }, seconds!);
}

/** All groups over the same time. */
async function look(groups: Record<string, Pids>, seconds: number): Promise<Sample> {
  const each = await Promise.all(
    Object.entries(groups).map(async ([what, pids]) => {
      const { all } = await usedDuring(pids, () => pause(seconds));
      const { pss, rss } = await memoryOfAll(Object.values(pids));
      const values = [pss, rss, all.seconds / seconds * 100, all.wakeUps / seconds];
      return figuresOf(what).map(({ name }, index) => [name, values[index]!]);
    }),
  );
  return Object.fromEntries(each.flat());
}

function numbered(what: string, pids: readonly number[]): Pids {
  return Object.fromEntries(pids.map((pid, index) => [`${what} ${index}`, pid]));
}

function pause(seconds: number): Promise<void> {
  return delay(seconds * 1000);
}
