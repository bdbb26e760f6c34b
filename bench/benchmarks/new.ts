/** Clusters that are made from nothing. */
import { TestCluster } from "@k3ts/tests/cluster";
import type { Benchmark, Sample, Setting, Side, Sides } from "../core/benchmark.ts";
import { KUBE } from "../sides/api_sides.ts";
import { type ControlPlane, k3tsServer } from "../sides/control_plane.ts";
import { kubeControlPlane } from "../sides/kube.ts";
import { timeToServe } from "../sides/ready.ts";

const SERVES = "from the command until the control plane lists pods";
const READY = "from the command until a node is Ready (k3ts up)";

export const newCluster: Benchmark = {
  name: "new",
  what:
    "The command is given where nothing is but an empty folder: keys and certificates are made in this time, too, " +
    "of kube-apiserver by the harness. `k3ts up` also starts a node, which joins.",
  rounds: 8,
  parameters: {},
  quick: {},
  figures: [
    { name: SERVES, unit: "ms", better: "less", goal: { ratio: 1, of: KUBE } },
    { name: READY, unit: "ms", better: "less" },
  ],
  open: ({ peers, say }: Setting): Promise<Sides> => {
    const ours: Side = {
      name: "k3ts",
      measure: async () => ({ ...await serves(k3tsServer()), [READY]: await ready() }),
    };
    const theirs: Side = { name: KUBE, measure: () => serves(kubeControlPlane({ store: "etcd", say })) };
    return Promise.resolve({
      sides: peers ? [ours, theirs] : [ours],
      [Symbol.asyncDispose]: () => Promise.resolve(), // each round leaves nothing
    });
  },
};

async function serves(making: Promise<ControlPlane>): Promise<Sample> {
  await using plane = await making;
  return { [SERVES]: await timeToServe(plane) };
}

async function ready(): Promise<number> {
  await using cluster = await TestCluster.prepare();
  const begin = performance.now();
  await cluster.up();
  return performance.now() - begin;
}
