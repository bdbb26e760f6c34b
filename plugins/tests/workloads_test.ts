import { deepEqual, equal, ok } from "node:assert/strict";
import { controllerOf, type Deployment, isReady, type Pod, resources } from "@k3ts/model/objects";
import { fakeKubelet, runControllers, testCluster } from "../testing/mod.ts";
import { ALL, CERTIFICATE, createNamespace, createWeb, isRolledOut, untilRolledOut } from "./_web.ts";

Deno.test("a Deployment becomes pods on nodes that stand behind its Service", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  await using _kubelet = await fakeKubelet(cluster, { nodes: ["n1", "n2"] });
  await createWeb(cluster, 4);
  await cluster.clients.of(resources.services).create({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "default" },
    spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
  });
  await untilRolledOut(cluster);
  const [slice] = await cluster.untilAll(
    resources.endpointslices,
    "default",
    (all) =>
      all.some(({ metadata, endpoints }) =>
        metadata.labels?.["kubernetes.io/service-name"] === "web" &&
        endpoints?.filter(({ conditions }) => conditions?.ready).length === 4
      ),
  ).then((all) => all.filter(({ metadata }) => metadata.labels?.["kubernetes.io/service-name"] === "web"));
  await cluster.until(
    resources.endpoints,
    { namespace: "default", name: "web" },
    (object) => object?.subsets?.[0]?.addresses?.length === 4,
  );
  deepEqual(slice!.ports?.map(({ port }) => port), [80]);
  const { items } = await cluster.clients.of<Pod>(resources.pods).list({ namespace: "default" });
  ok(items.every(isReady));
  deepEqual([...new Set(items.map(({ spec }) => spec.nodeName))].sort(), ["n1", "n2"]);
  deepEqual([...new Set(items.map((pod) => controllerOf(pod)?.kind))], ["ReplicaSet"]);
  const writers = items.flatMap(({ metadata }) => metadata.managedFields?.map(({ manager }) => manager));
  ok(writers.includes("replicaset-controller") && writers.includes("default-scheduler"), writers.join());
  deepEqual(running.failures, []);
});

Deno.test("another image replaces every pod, never leaving the bounds of the rollout", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  await using _kubelet = await fakeKubelet(cluster);
  await createWeb(cluster, 4);
  await untilRolledOut(cluster);
  const deployments = cluster.clients.of<Deployment>(resources.deployments);
  await deployments.patch("web", {
    namespace: "default",
    type: "strategic",
    patch: { spec: { template: { spec: { containers: [{ name: "main", image: "web:2" }] } } } },
  });
  let least = Infinity;
  let most = 0;
  await cluster.untilAll<Pod>(resources.pods, "default", (pods) => {
    least = Math.min(least, pods.filter((pod) => isReady(pod) && !pod.metadata.deletionTimestamp).length);
    most = Math.max(most, pods.filter((pod) => !pod.metadata.deletionTimestamp).length);
    return pods.length === 4 && pods.every((pod) => pod.spec.containers[0]!.image === "web:2" && isReady(pod));
  });
  ok(least >= 3, `${least} ready`);
  ok(most <= 5, `${most} pods`);
  const rolledOut = await untilRolledOut(cluster);
  equal(rolledOut.metadata.annotations?.["deployment.kubernetes.io/revision"], "2");
  deepEqual(running.failures, []);
});

Deno.test("with a Deployment go its ReplicaSets and pods", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  await using _kubelet = await fakeKubelet(cluster);
  await createWeb(cluster, 3);
  await untilRolledOut(cluster);
  await cluster.clients.of(resources.deployments).delete("web", { namespace: "default" });
  await cluster.untilAll(resources.replicasets, "default", (all) => all.length === 0);
  await cluster.untilAll(resources.pods, "default", (all) => all.length === 0);
  deepEqual(running.failures, []);
});

Deno.test("deleted in the foreground, a Deployment goes last", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  await using _kubelet = await fakeKubelet(cluster);
  await createWeb(cluster, 2);
  await untilRolledOut(cluster);
  await cluster.clients.of(resources.deployments).delete("web", {
    namespace: "default",
    propagationPolicy: "Foreground",
  });
  await cluster.until(resources.deployments, { namespace: "default", name: "web" }, (object) => object === undefined);
  equal((await cluster.clients.of(resources.replicasets).list({ namespace: "default" })).items.length, 0);
  equal((await cluster.clients.of(resources.pods).list({ namespace: "default" })).items.length, 0);
  deepEqual(running.failures, []);
});

Deno.test("orphaned pods stay and are adopted by the next ReplicaSet", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  await using _kubelet = await fakeKubelet(cluster);
  await createWeb(cluster, 2);
  await untilRolledOut(cluster);
  const before = await cluster.clients.of(resources.pods).list({ namespace: "default" });
  await cluster.clients.of(resources.deployments).delete("web", { namespace: "default", propagationPolicy: "Orphan" });
  await cluster.until(resources.deployments, { namespace: "default", name: "web" }, (object) => object === undefined);
  const [set] = (await cluster.clients.of(resources.replicasets).list({ namespace: "default" })).items;
  deepEqual(set!.metadata.ownerReferences ?? [], []);
  await createWeb(cluster, 2);
  await untilRolledOut(cluster);
  const after = await cluster.clients.of(resources.pods).list({ namespace: "default" });
  const uids = (list: typeof before) => list.items.map(({ metadata }) => metadata.uid).sort();
  deepEqual(uids(after), uids(before));
  deepEqual(running.failures, []);
});

Deno.test("a new namespace has its ServiceAccount and the cluster's CA, also after somebody deleted them", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  await createNamespace(cluster, "a");
  const account = { namespace: "a", name: "default" };
  const { metadata } = await cluster.until(resources.serviceaccounts, account, (object) => object !== undefined);
  const map = await cluster.until(resources.configmaps, { namespace: "a", name: "kube-root-ca.crt" }, Boolean);
  equal(map.data?.["ca.crt"], CERTIFICATE);
  await cluster.clients.of(resources.serviceaccounts).delete("default", { namespace: "a" });
  await cluster.until(
    resources.serviceaccounts,
    account,
    (object) => object !== undefined && object.metadata.uid !== metadata.uid,
  );
  deepEqual(running.failures, []);
});

Deno.test("a namespace goes with everything in it, pods first", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  await using _kubelet = await fakeKubelet(cluster);
  const { clients } = cluster;
  await createNamespace(cluster, "a");
  await cluster.until(resources.serviceaccounts, { namespace: "a", name: "default" }, Boolean);
  await createWeb(cluster, 3, "a");
  await clients.of(resources.configmaps).create({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "settings", namespace: "a" },
    data: { a: "b" },
  });
  await cluster.until(resources.deployments, { namespace: "a", name: "web" }, isRolledOut);
  await clients.of(resources.namespaces).delete("a");
  await cluster.until(resources.namespaces, { name: "a" }, (object) => object === undefined);
  for (const resource of [resources.pods, resources.deployments, resources.configmaps, resources.events]) {
    const { items } = await clients.of(resource).list({ namespace: "a" });
    deepEqual(items, [], resource.resource);
  }
  deepEqual(running.failures, []);
});
