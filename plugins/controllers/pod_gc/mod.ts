/** Removes pods that nobody will ever end. */
import { isNotFound } from "@k3ts/client";
import { momentOf, type MonotonicTime, type Node, type Pod, resources } from "@k3ts/model/objects";
import type { Daemon, DaemonContext } from "../../sdk/mod.ts";
import { inBatches } from "../in_batches.ts";
import { endPod, type PodEnd } from "../node_lifecycle/end_pod.ts";
import { pause } from "../pause.ts";
import { planGc } from "./plan.ts";

const EVERY_MS = 20_000;

export default {
  name: "pod-garbage-collector",
  user: "system:serviceaccount:kube-system:pod-garbage-collector",
  component: "pod-garbage-collector",
  run,
} satisfies Daemon;

async function run(context: DaemonContext, signal: AbortSignal): Promise<void> {
  const { informers, clock, onSynced, onFailure } = context;
  const [pods, nodes] = [informers.of(resources.pods).informer, informers.of(resources.nodes).informer];
  try {
    await Promise.all([pods.synced, nodes.synced]);
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
  onSynced();
  let missing: ReadonlyMap<string, MonotonicTime> = new Map();
  while (!signal.aborted) {
    try {
      missing = await collect(context, pods.list() as Pod[], nodes.list() as Node[], missing, signal);
    } catch (error) {
      if (!signal.aborted) onFailure("pods", error as Error);
    }
    await pause(clock, EVERY_MS, undefined, signal);
  }
}

/** @returns nodes that are missing, with since when */
async function collect(
  { clients, clock }: DaemonContext,
  pods: readonly Pod[],
  nodes: readonly Node[],
  missing: ReadonlyMap<string, MonotonicTime>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, MonotonicTime>> {
  const now = momentOf(clock);
  const { ask } = planGc(pods, nodes, missing, new Set(), now.monotonic);
  const gone = new Set<string>();
  for (const name of ask) {
    // What is known here may lag behind.
    await clients.of<Node>(resources.nodes).get(name, { signal }).catch((error) => {
      if (!isNotFound(error)) throw error;
      gone.add(name);
    });
  }
  const plan = planGc(pods, nodes, missing, gone, now.monotonic);
  const because = { reason: "DeletionByPodGC", message: "PodGC: node no longer exists" };
  const ends: [Pod, PodEnd][] = [
    ...plan.orphaned.map((pod): [Pod, PodEnd] => [pod, { because, force: true }]),
    ...plan.others.map((pod): [Pod, PodEnd] => [pod, { force: true }]),
  ];
  const client = clients.of<Pod>(resources.pods);
  await inBatches(ends, ([pod, end]) => endPod(client, pod, end, now.wall, signal));
  return plan.missing;
}
