import { deepEqual, equal, ok } from "node:assert/strict";
import { ApiError, delay } from "@k3ts/client";
import { isReady, type Pod, type PodDisruptionBudget, resources } from "@k3ts/model/objects";
import { fakeKubelet, runControllers, type TestCluster, testCluster } from "../testing/mod.ts";
import { ALL, createWeb, untilRolledOut } from "./_web.ts";

Deno.test("evicting every pod of a budget, however hard one tries, never takes more than it allows", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  await using _kubelet = await fakeKubelet(cluster, { nodes: ["n1", "n2"] });
  await createWeb(cluster, 4);
  await untilRolledOut(cluster);
  await createBudget(cluster, { maxUnavailable: "25%" });
  const target = { namespace: "default", name: "web" };
  const { status } = await cluster.until<PodDisruptionBudget>(
    resources.poddisruptionbudgets,
    target,
    (budget) => budget?.status?.currentHealthy === 4,
  );
  deepEqual([status?.expectedPods, status?.desiredHealthy, status?.disruptionsAllowed], [4, 3, 1]);
  const pods = cluster.clients.of<Pod>(resources.pods);
  const first = (await pods.list({ namespace: "default" })).items;
  let least = Infinity;
  const watching = cluster.untilAll<Pod>(resources.pods, "default", (all) => {
    least = Math.min(least, all.filter((pod) => isReady(pod) && !pod.metadata.deletionTimestamp).length);
    return all.length === 4 && all.every(({ metadata }) => first.every((old) => old.metadata.uid !== metadata.uid)) &&
      all.every(isReady);
  });
  await Promise.all(first.map(({ metadata }) => evictAtLast(cluster, metadata.name)));
  await watching;
  ok(least >= 3, `${least} ready`);
  const rested = await cluster.until<PodDisruptionBudget>(
    resources.poddisruptionbudgets,
    target,
    (budget) => budget?.status?.disruptionsAllowed === 1,
  );
  equal(rested.status?.disruptedPods, undefined);
  deepEqual(running.failures, []);
});

/** As `kubectl drain` does it: again and again while it is refused for now. */
async function evictAtLast({ clients, signal }: TestCluster, name: string): Promise<void> {
  const object = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace: "default" } };
  while (true) {
    try {
      await clients.of(resources.pods).createSubresource(name, {
        namespace: "default",
        subresource: "eviction",
        object,
      });
      return;
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 429) throw error;
    }
    await delay(20, signal);
  }
}

function createBudget({ clients }: TestCluster, spec: Partial<PodDisruptionBudget["spec"]>): Promise<unknown> {
  return clients.of<PodDisruptionBudget>(resources.poddisruptionbudgets).create({
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: { name: "web", namespace: "default" },
    spec: { selector: { matchLabels: { app: "web" } }, ...spec },
  });
}
