/** What becomes of pods when their node falls silent, or is no more. */
import { deepEqual, equal } from "node:assert/strict";
import { FakeClock } from "@k3ts/model/testing";
import { formatMicroTime, isReady, type Lease, type Node, type Pod, resources } from "@k3ts/model/objects";
import nodeLifecycle from "../controllers/node_lifecycle/mod.ts";
import podGc from "../controllers/pod_gc/mod.ts";
import { fakeKubelet, runControllers, type TestCluster, testCluster } from "../testing/mod.ts";
import { ALL, createWeb, untilRolledOut } from "./_web.ts";

const UNREACHABLE = "node.kubernetes.io/unreachable";

/** Time goes on, with signs of life of these nodes, until the promise is settled. */
async function passTime<T>(
  cluster: TestCluster,
  clock: FakeClock,
  alive: readonly string[],
  until: Promise<T>,
): Promise<T> {
  let isOver = false;
  const over = () => void (isOver = true);
  until.then(over, over);
  const leases = cluster.clients.of<Lease>(resources.leases);
  while (!isOver) {
    clock.advance(2_000);
    for (const name of alive) {
      await leases.apply({
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: { name, namespace: "kube-node-lease" },
        spec: { holderIdentity: name, leaseDurationSeconds: 40, renewTime: formatMicroTime(clock.wall()) },
      }, { fieldManager: name, force: true });
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return await until;
}

Deno.test("pods of a node that falls silent are not ready, leave after their patience, and are replaced elsewhere", async () => {
  const clock = new FakeClock();
  await using cluster = await testCluster({ clock, patienceMs: 60_000 });
  await using running = await runControllers(cluster, [...ALL, nodeLifecycle(), podGc]);
  await using _kubelet = await fakeKubelet(cluster, { nodes: ["node-1", "node-2"] });
  await createWeb(cluster, 4);
  await untilRolledOut(cluster);
  const onSilent = (pods: readonly Pod[]) => pods.filter(({ spec }) => spec.nodeName === "node-2");

  const tainted = cluster.until<Node>(
    resources.nodes,
    { name: "node-2" },
    (node) => node?.spec?.taints?.some(({ key, effect }) => key === UNREACHABLE && effect === "NoExecute") ?? false,
  );
  await passTime(cluster, clock, ["node-1"], tainted);
  const since = clock.wall();
  equal((await cluster.clients.of<Node>(resources.nodes).get("node-1")).spec?.taints, undefined);

  const moved = cluster.untilAll<Pod>(
    resources.pods,
    "default",
    (pods) => onSilent(pods).length === 0 && pods.filter(isReady).length === 4,
  );
  await passTime(cluster, clock, ["node-1"], moved);
  equal(clock.wall() - since >= 300_000, true);
  deepEqual(running.failures, []);
});

Deno.test("pods of a deleted node are removed, though nobody ends them", async () => {
  const clock = new FakeClock();
  await using cluster = await testCluster({ clock, patienceMs: 60_000 });
  await using running = await runControllers(cluster, [...ALL, nodeLifecycle(), podGc]);
  const kubelet = await fakeKubelet(cluster, { nodes: ["node-1"] });
  await createWeb(cluster, 2);
  await untilRolledOut(cluster);
  await kubelet[Symbol.asyncDispose]();
  await cluster.clients.of(resources.nodes).delete("node-1");
  const orphaned = cluster.untilAll<Pod>(
    resources.pods,
    "default",
    (pods) => pods.length === 2 && pods.every(({ spec }) => spec.nodeName === undefined),
  );
  await passTime(cluster, clock, [], orphaned);
  deepEqual(running.failures, []);
});
