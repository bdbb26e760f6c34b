import { deepEqual, equal, ok } from "node:assert/strict";
import {
  type ConfigMap,
  controllerOf,
  type Deployment,
  type Event,
  isBound,
  isReady,
  type Node,
  type OwnerReference,
  type Pod,
  type ReplicaSet,
  resources,
  type ServiceAccount,
} from "@k3ts/model/objects";
import { fakeKubelet, runControllers, type TestCluster, testCluster } from "../testing/mod.ts";
import { ALL, createNamespace, createWeb, untilRolledOut, web } from "./_web.ts";

Deno.test("a pod that fails or is deleted is replaced", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  let failed = "";
  await using kubelet = await fakeKubelet(cluster, {
    fate: ({ metadata }) => metadata.name === failed ? "failed" : "ready",
  });
  await createWeb(cluster, 3);
  await untilRolledOut(cluster);
  const [first, second] = (await cluster.clients.of<Pod>(resources.pods).list({ namespace: "default" })).items;
  failed = first!.metadata.name;
  kubelet.refresh();
  await cluster.clients.of(resources.pods).delete(second!.metadata.name, { namespace: "default" });
  await cluster.untilAll<Pod>(
    resources.pods,
    "default",
    (pods) =>
      pods.length === 4 && pods.filter(isReady).length === 3 &&
      pods.every(({ metadata }) => metadata.uid !== second!.metadata.uid),
  );
  deepEqual(running.failures, []);
});

Deno.test("a pod that fits nowhere says why, and is placed as soon as there is a node", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  await createWeb(cluster, 1);
  const [waiting] = await cluster.untilAll<Pod>(resources.pods, "default", (pods) => pods.some(isUnschedulable));
  equal(
    waiting!.status?.conditions?.find(({ type }) => type === "PodScheduled")?.message,
    "no nodes available to schedule pods",
  );
  await cluster.untilAll<Event>(
    resources.events,
    "default",
    (events) => events.some(({ reason }) => reason === "FailedScheduling"),
  );
  await using _kubelet = await fakeKubelet(cluster);
  await untilRolledOut(cluster);
  deepEqual(running.failures, []);
});

Deno.test("room that is made is used", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  await using _kubelet = await fakeKubelet(cluster, { allocatable: { cpu: "1", memory: "1Gi", pods: "2" } });
  await createWeb(cluster, 3);
  const pods = await cluster.untilAll<Pod>(
    resources.pods,
    "default",
    (pods) => pods.filter(isReady).length === 2 && pods.some(isUnschedulable),
  );
  await cluster.clients.of(resources.deployments).patch("web", {
    namespace: "default",
    type: "merge",
    patch: { spec: { template: { metadata: { annotations: { again: "yes" } } } } },
  });
  ok(pods.some((pod) => !isBound(pod)));
  await cluster.clients.of(resources.nodes).patch("node-1", {
    type: "merge",
    subresource: "status",
    patch: { status: { allocatable: { cpu: "1", memory: "1Gi", pods: "20" } } },
  });
  await untilRolledOut(cluster);
  deepEqual(running.failures, []);
});

Deno.test("a cordoned node gets nothing until it is opened again", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  await using _kubelet = await fakeKubelet(cluster);
  const nodes = cluster.clients.of<Node>(resources.nodes);
  await nodes.patch("node-1", { type: "merge", patch: { spec: { unschedulable: true } } });
  await createWeb(cluster, 1);
  await cluster.untilAll<Pod>(resources.pods, "default", (pods) => pods.some(isUnschedulable));
  await nodes.patch("node-1", { type: "merge", patch: { spec: { unschedulable: null } } });
  await untilRolledOut(cluster);
  deepEqual(running.failures, []);
});

Deno.test("a ReplicaSet that may not make its pods says so, and makes them once it may", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  await using _kubelet = await fakeKubelet(cluster);
  const draft = web(2);
  draft.spec!.template.spec!.serviceAccountName = "builder";
  await cluster.clients.of<Deployment>(resources.deployments).create(draft);
  const target = { namespace: "default", name: "web" };
  const failing = await cluster.until<Deployment>(
    resources.deployments,
    target,
    (object) => failureOf(object) !== undefined,
  );
  ok(failureOf(failing)?.message?.includes("builder"), failureOf(failing)?.message);
  await cluster.untilAll<Event>(
    resources.events,
    "default",
    (all) => all.some(({ reason }) => reason === "FailedCreate"),
  );
  await cluster.clients.of<ServiceAccount>(resources.serviceaccounts).create({
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name: "builder", namespace: "default" },
  });
  await untilRolledOut(cluster);
  await cluster.until<Deployment>(resources.deployments, target, (object) => failureOf(object) === undefined);
  // Its own traces did not drive it round and round.
  const tries = running.failures.filter(({ controller }) => controller === "replicaset").length;
  ok(tries >= 1 && tries <= 6, `${tries} tries`);
});

Deno.test("controllers that are started anew go on in the middle of a rollout", async () => {
  await using cluster = await testCluster();
  await using _kubelet = await fakeKubelet(cluster);
  {
    await using _running = await runControllers(cluster, ALL);
    await createWeb(cluster, 6);
    await untilRolledOut(cluster);
    await setImage(cluster, "web:2");
    await cluster.untilAll<Pod>(resources.pods, "default", (pods) => pods.some((pod) => imageOf(pod) === "web:2"));
  }
  await using running = await runControllers(cluster, ALL);
  const rolledOut = await untilRolledOut(cluster);
  const { items } = await cluster.clients.of<Pod>(resources.pods).list({ namespace: "default" });
  ok(items.every((pod) => imageOf(pod) === "web:2" || pod.metadata.deletionTimestamp !== undefined));
  equal(rolledOut.metadata.annotations?.["deployment.kubernetes.io/revision"], "2");
  deepEqual(running.failures, []);
});

Deno.test("a template that was there before takes its ReplicaSet again", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  await using _kubelet = await fakeKubelet(cluster);
  await createWeb(cluster, 2);
  await untilRolledOut(cluster);
  for (const image of ["web:2", "web:1"]) {
    await setImage(cluster, image);
    await untilRolledOut(cluster);
  }
  const { items } = await cluster.clients.of<ReplicaSet>(resources.replicasets).list({ namespace: "default" });
  deepEqual(items.map((set) => [imageOf(set.spec!.template!), set.spec?.replicas]).sort(), [["web:1", 2], [
    "web:2",
    0,
  ]]);
  deepEqual(running.failures, []);
});

Deno.test("Recreate has no two generations of pods at once", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  await using _kubelet = await fakeKubelet(cluster);
  const draft = web(3);
  draft.spec!.strategy = { type: "Recreate" };
  await cluster.clients.of<Deployment>(resources.deployments).create(draft);
  await untilRolledOut(cluster);
  await setImage(cluster, "web:2");
  await cluster.untilAll<Pod>(resources.pods, "default", (pods) => {
    const images = [...new Set(pods.map(imageOf))];
    ok(images.length <= 1, `${images} at once`);
    return pods.length === 3 && images[0] === "web:2" && pods.every(isReady);
  });
  deepEqual(running.failures, []);
});

Deno.test("a ReplicaSet lets go of a pod whose labels are changed, and of none that others own", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  await using _kubelet = await fakeKubelet(cluster);
  await createWeb(cluster, 2);
  await untilRolledOut(cluster);
  const pods = cluster.clients.of<Pod>(resources.pods);
  const [pod] = (await pods.list({ namespace: "default" })).items;
  const { name } = pod!.metadata;
  await pods.patch(name, { namespace: "default", type: "merge", patch: { metadata: { labels: { app: "aside" } } } });
  await cluster.until<Pod>(
    resources.pods,
    { namespace: "default", name },
    (released) => released !== undefined && controllerOf(released) === undefined,
  );
  await cluster.untilAll<Pod>(resources.pods, "default", (all) => all.length === 3 && all.every(isReady));
  deepEqual(running.failures, []);
});

Deno.test("owners that wait for each other in a circle go all the same", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  const maps = cluster.clients.of<ConfigMap>(resources.configmaps);
  const made = [];
  for (const name of ["a", "b", "c"]) made.push(await createMap(cluster, "default", name));
  for (const [index, map] of made.entries()) {
    const owner = made[(index + 2) % 3]!;
    await maps.patch(map.metadata.name, {
      namespace: "default",
      type: "merge",
      patch: { metadata: { ownerReferences: [{ ...referenceTo(owner), blockOwnerDeletion: true }] } },
    });
  }
  await maps.delete("a", { namespace: "default", propagationPolicy: "Foreground" });
  await cluster.untilAll(
    resources.configmaps,
    "default",
    (all) => all.every(({ metadata }) => metadata.name.length > 1),
  );
  deepEqual(running.failures, []);
});

Deno.test("what names an owner that never was, or one of another namespace, is collected; what has another owner stays", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  await createNamespace(cluster, "other");
  const elsewhere = await createMap(cluster, "other", "elsewhere");
  const here = await createMap(cluster, "default", "here");
  const never = { ...referenceTo(here), name: "never", uid: "00000000-0000-0000-0000-000000000000" };
  await createMap(cluster, "default", "kept", [never, referenceTo(here)]);
  await createMap(cluster, "default", "astray", [referenceTo(elsewhere)]);
  await createMap(cluster, "default", "lost", [never]);
  const left = await cluster.untilAll<ConfigMap>(
    resources.configmaps,
    "default",
    (all) =>
      all.every(({ metadata }) => !["astray", "lost"].includes(metadata.name)) &&
      all.find(({ metadata }) => metadata.name === "kept")?.metadata.ownerReferences?.length === 1,
  );
  ok(left.some(({ metadata }) => metadata.name === "here"));
  deepEqual(running.failures, []);
});

function isUnschedulable(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === "PodScheduled" && status === "False") ?? false;
}

function failureOf(deployment: Deployment | undefined) {
  return deployment?.status?.conditions?.find(({ type }) => type === "ReplicaFailure");
}

function imageOf({ spec }: { spec?: Pod["spec"] }): string | undefined {
  return spec?.containers[0]?.image;
}

function setImage({ clients }: TestCluster, image: string) {
  return clients.of(resources.deployments).patch("web", {
    namespace: "default",
    type: "strategic",
    patch: { spec: { template: { spec: { containers: [{ name: "main", image }] } } } },
  });
}

function createMap({ clients }: TestCluster, namespace: string, name: string, ownerReferences?: OwnerReference[]) {
  return clients.of<ConfigMap>(resources.configmaps).create({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace, ...(ownerReferences && { ownerReferences }) },
  });
}

function referenceTo({ metadata }: ConfigMap): OwnerReference {
  return { apiVersion: "v1", kind: "ConfigMap", name: metadata.name, uid: metadata.uid };
}
