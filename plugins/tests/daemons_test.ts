import { deepEqual, equal, ok } from "node:assert/strict";
import {
  controllerOf,
  type ControllerRevision,
  type DaemonSet,
  isReady,
  type Node,
  type Pod,
  resources,
} from "@k3ts/model/objects";
import { fakeKubelet, runControllers, type TestCluster, testCluster } from "../testing/mod.ts";
import { ALL } from "./_web.ts";

const target = { namespace: "default", name: "watcher" };

Deno.test("every node runs its daemon, cordoned ones too, and a node that is labelled later gets one", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  await using _kubelet = await fakeKubelet(cluster, { nodes: ["n1", "n2", "n3"] });
  const nodes = cluster.clients.of<Node>(resources.nodes);
  for (const name of ["n1", "n2"]) {
    await nodes.patch(name, { type: "merge", patch: { metadata: { labels: { disk: "ssd" } } } });
  }
  await nodes.patch("n2", { type: "merge", patch: { spec: { unschedulable: true } } });
  await createDaemonSet(cluster, { disk: "ssd" });
  await untilServing(cluster, 2);
  await nodes.patch("n3", { type: "merge", patch: { metadata: { labels: { disk: "ssd" } } } });
  await untilServing(cluster, 3);
  const { items } = await cluster.clients.of<Pod>(resources.pods).list({ namespace: "default" });
  deepEqual(items.map(({ spec }) => spec.nodeName).sort(), ["n1", "n2", "n3"]);
  await nodes.patch("n1", { type: "merge", patch: { metadata: { labels: { disk: null } } } });
  await untilServing(cluster, 2);
  deepEqual(running.failures, []);
});

Deno.test("a rollout replaces one daemon after the other, and its history can be gone back", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  await using _kubelet = await fakeKubelet(cluster, { nodes: ["n1", "n2", "n3"] });
  await createDaemonSet(cluster);
  await untilServing(cluster, 3);
  let least = Infinity;
  const watching = cluster.untilAll<Pod>(resources.pods, "default", (pods) => {
    least = Math.min(least, pods.filter((pod) => isReady(pod) && !pod.metadata.deletionTimestamp).length);
    return pods.length === 3 && pods.every((pod) => pod.spec.containers[0]!.image === "watcher:2" && isReady(pod));
  });
  const sets = cluster.clients.of<DaemonSet>(resources.daemonsets);
  await sets.patch("watcher", {
    namespace: "default",
    type: "strategic",
    patch: { spec: { template: { spec: { containers: [{ name: "main", image: "watcher:2" }] } } } },
  });
  await watching;
  ok(least >= 2, `${least} ready`);
  const revisions = cluster.clients.of<ControllerRevision>(resources.controllerrevisions);
  const [first] = (await revisions.list({ namespace: "default" })).items.sort((a, b) => a.revision - b.revision);
  equal(controllerOf(first!)?.name, "watcher");
  // As `kubectl rollout undo` does it.
  await sets.patch("watcher", { namespace: "default", type: "strategic", patch: first!.data as object });
  await cluster.untilAll<Pod>(
    resources.pods,
    "default",
    (pods) => pods.length === 3 && pods.every((pod) => pod.spec.containers[0]!.image === "watcher:1" && isReady(pod)),
  );
  const { items } = await revisions.list({ namespace: "default" });
  deepEqual(items.map(({ revision }) => revision).sort(), [2, 3]);
  deepEqual(running.failures, []);
});

Deno.test("with a DaemonSet go its pods and its history", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  await using _kubelet = await fakeKubelet(cluster);
  await createDaemonSet(cluster);
  await untilServing(cluster, 1);
  await cluster.clients.of(resources.daemonsets).delete("watcher", { namespace: "default" });
  await cluster.untilAll(resources.pods, "default", (all) => all.length === 0);
  await cluster.untilAll(resources.controllerrevisions, "default", (all) => all.length === 0);
  deepEqual(running.failures, []);
});

function createDaemonSet({ clients }: TestCluster, nodeSelector?: Record<string, string>): Promise<DaemonSet> {
  const spec = { containers: [{ name: "main", image: "watcher:1" }], ...(nodeSelector && { nodeSelector }) };
  return clients.of<DaemonSet>(resources.daemonsets).create({
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: target,
    spec: {
      selector: { matchLabels: { app: "watcher" } },
      template: { metadata: { labels: { app: "watcher" } }, spec },
    },
  });
}

function untilServing(cluster: TestCluster, count: number): Promise<DaemonSet> {
  return cluster.until<DaemonSet>(
    resources.daemonsets,
    target,
    (set) => set?.status?.desiredNumberScheduled === count && set.status.numberAvailable === count,
  );
}
