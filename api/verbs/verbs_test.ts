import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import type { ApiObject } from "@k3ts/model";
import { StatusError } from "../status.ts";
import { refusal } from "../testing/refusal.ts";
import { type CallTarget, testApiServer } from "../testing/test_api_server.ts";

const maps: CallTarget = { resource: "configmaps", namespace: "default" };
const deployments: CallTarget = { resource: "deployments.apps", namespace: "default" };

interface ConfigMap extends ApiObject {
  data?: Record<string, string>;
}

interface Deployment extends ApiObject {
  spec: { replicas: number; template: { spec: { containers: { name: string; image: string }[] } } };
  status?: object;
}

Deno.test("a created object has what only the server gives", async () => {
  await using server = await testApiServer();
  const { metadata, data } = await server.create<ConfigMap>(maps, { metadata: { name: "a" }, data: { x: "y" } });
  ok(metadata.uid && Number(metadata.resourceVersion) > 0);
  deepEqual([metadata.namespace, metadata.creationTimestamp, data], ["default", "2026-01-01T00:00:00Z", { x: "y" }]);
  deepEqual(metadata.managedFields?.map(({ manager, operation }) => [manager, operation]), [["test", "Update"]]);
});

Deno.test("a second object of the same name is refused", async () => {
  await using server = await testApiServer();
  await server.create(maps, { metadata: { name: "a" } });
  await rejects(server.create(maps, { metadata: { name: "a" } }), refusal(409, 'configmaps "a" already exists'));
});

Deno.test("a generated name is the prefix and five safe characters", async () => {
  await using server = await testApiServer();
  const { metadata } = await server.create(maps, { metadata: { generateName: "job-" } });
  ok(/^job-[bcdfghjklmnpqrstvwxz2456789]{5}$/.test(metadata.name), metadata.name);
});

Deno.test("generated names that are taken are made again", async () => {
  let draws = 0;
  // Five draws make a name: the second name is the first again.
  await using server = await testApiServer({ random: () => draws++ < 10 ? 0 : 0.5 });
  draws = 0;
  const first = await server.create(maps, { metadata: { generateName: "a-" } });
  const second = await server.create(maps, { metadata: { generateName: "a-" } });
  ok(first.metadata.name !== second.metadata.name);
});

Deno.test("what is unknown is refused when strict, named when warning, and dropped when told to ignore it", async () => {
  await using server = await testApiServer();
  const body = { metadata: { name: "a" }, date: {} };
  await rejects(server.create(maps, body), refusal(400, /strict decoding error: unknown field "date"/));
  const made = await server.create(maps, body, { fieldValidation: "Ignore" });
  ok(!("date" in made));
});

Deno.test("nothing is created in a namespace that is missing or going", async () => {
  await using server = await testApiServer();
  const there = { resource: "configmaps", namespace: "gone" };
  await rejects(server.create(there, { metadata: { name: "a" } }), refusal(404, 'namespaces "gone" not found'));
  await server.create({ resource: "namespaces" }, { metadata: { name: "gone" } });
  await server.delete({ resource: "namespaces", name: "gone" });
  await rejects(server.create(there, { metadata: { name: "a" } }), refusal(403, /because it is being terminated/));
});

Deno.test("every fault of an object is told at once", async () => {
  await using server = await testApiServer();
  const error = await caught(server.create(deployments, { metadata: { name: "NO" }, spec: { template: {} } }));
  equal(error.status.code, 422);
  ok((error.status.details?.causes?.length ?? 0) > 1);
});

Deno.test("an update from an old state is refused, one that does not say from which is not", async () => {
  await using server = await testApiServer();
  const old = await server.create<ConfigMap>(maps, { metadata: { name: "a" }, data: { n: "1" } });
  await server.update({ ...maps, name: "a" }, { ...old, data: { n: "2" } });
  await rejects(
    server.update({ ...maps, name: "a" }, { ...old, data: { n: "3" } }),
    refusal(409, /the object has been modified/),
  );
  const last = await server.update<ConfigMap>({ ...maps, name: "a" }, { metadata: { name: "a" }, data: { n: "4" } });
  deepEqual([last.data, last.metadata.uid], [{ n: "4" }, old.metadata.uid]);
});

Deno.test("an update that changes nothing writes nothing", async () => {
  await using server = await testApiServer();
  const made = await server.create<ConfigMap>(maps, { metadata: { name: "a" }, data: { n: "1" } });
  const revision = server.registry.cache.revision;
  const same = await server.update({ ...maps, name: "a" }, { metadata: { name: "a" }, data: { n: "1" } });
  deepEqual([same.metadata.resourceVersion, server.registry.cache.revision], [made.metadata.resourceVersion, revision]);
});

Deno.test("generation moves with the spec alone, and spec and status never touch each other", async () => {
  await using server = await testApiServer();
  const made = await server.create<Deployment>(deployments, aDeployment());
  equal(made.metadata.generation, 1);
  const target = { ...deployments, name: "web" };
  const withStatus = await server.update<Deployment>(
    { ...target, subresource: "status" },
    { ...made, spec: { ...made.spec, replicas: 9 }, status: { replicas: 3 } },
  );
  deepEqual([withStatus.metadata.generation, withStatus.spec.replicas, withStatus.status], [1, 2, { replicas: 3 }]);
  const moved = await server.update<Deployment>(target, {
    ...withStatus,
    spec: { ...made.spec, replicas: 5 },
    status: {},
  });
  deepEqual([moved.metadata.generation, moved.spec.replicas, moved.status], [2, 5, { replicas: 3 }]);
});

Deno.test("concurrent patches all count", async () => {
  await using server = await testApiServer();
  await server.create(maps, { metadata: { name: "a" } });
  await Promise.all(
    Array.from(
      { length: 50 },
      (_, index) => server.patch({ ...maps, name: "a" }, "merge", { data: { [`k${index}`]: "v" } }),
    ),
  );
  const { data } = await server.get<ConfigMap>({ ...maps, name: "a" });
  equal(Object.keys(data!).length, 50);
});

Deno.test("a strategic merge patch merges containers by their names", async () => {
  await using server = await testApiServer();
  await server.create(deployments, aDeployment());
  const { spec } = await server.patch<Deployment>({ ...deployments, name: "web" }, "strategic", {
    spec: { template: { spec: { containers: [{ name: "side", image: "s:1" }, { name: "c", image: "i:2" }] } } },
  });
  deepEqual(spec.template.spec.containers.map(({ name, image }) => [name, image]).sort(), [["c", "i:2"], [
    "side",
    "s:1",
  ]]);
});

Deno.test("a JSON patch whose test fails changes nothing", async () => {
  await using server = await testApiServer();
  await server.create(maps, { metadata: { name: "a" }, data: { x: "1" } });
  const patch = [{ op: "test", path: "/data/x", value: "2" }, { op: "replace", path: "/data/x", value: "3" }];
  await rejects(server.patch({ ...maps, name: "a" }, "json", patch), refusal(422));
  deepEqual((await server.get<ConfigMap>({ ...maps, name: "a" })).data, { x: "1" });
});

Deno.test("an apply creates, changes what is its own, drops what it no longer names, and respects others", async () => {
  await using server = await testApiServer();
  const target = { ...maps, name: "a" };
  const applied = (data: Record<string, string>) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "a" },
    data,
  });
  await server.patch(target, "apply", applied({ x: "1", y: "1" }), { fieldManager: "one" });
  deepEqual((await server.patch<ConfigMap>(target, "apply", applied({ x: "2" }), { fieldManager: "one" })).data, {
    x: "2",
  });
  const error = await caught(server.patch(target, "apply", applied({ x: "3" }), { fieldManager: "two" }));
  deepEqual([error.status.code, error.status.details?.causes?.[0]?.field], [409, ".data.x"]);
  const forced = await server.patch<ConfigMap>(target, "apply", applied({ x: "3" }), {
    fieldManager: "two",
    force: true,
  });
  deepEqual(forced.data, { x: "3" });
});

Deno.test("a dry run answers and changes nothing", async () => {
  await using server = await testApiServer();
  const revision = server.registry.cache.revision;
  equal((await server.create(maps, { metadata: { name: "a" } }, { dryRun: true })).metadata.name, "a");
  await rejects(server.get({ ...maps, name: "a" }), refusal(404));
  await server.create(maps, { metadata: { name: "b" } });
  await server.delete({ ...maps, name: "b" }, { dryRun: ["All"] });
  await server.patch({ ...maps, name: "b" }, "merge", { data: { a: "b" } }, { dryRun: true });
  equal(server.registry.cache.revision, revision + 1);
});

Deno.test("a scale is a view of the replicas, by reading, by update and by patch", async () => {
  await using server = await testApiServer();
  await server.create(deployments, aDeployment());
  const target = { ...deployments, name: "web", subresource: "scale" };
  const scale = await server.get<ApiObject & { spec: { replicas: number }; status: { selector: string } }>(target);
  deepEqual([scale.kind, scale.spec.replicas, scale.status.selector], ["Scale", 2, "app=web"]);
  await server.update(target, { ...scale, spec: { replicas: 4 } });
  await server.patch(target, "merge", { spec: { replicas: 6 } });
  const { spec, metadata } = await server.get<Deployment>({ ...deployments, name: "web" });
  deepEqual([spec.replicas, metadata.generation], [6, 3]);
  await rejects(server.update(target, { ...scale, spec: { replicas: -1 } }), refusal(409));
  await rejects(server.patch(target, "merge", { spec: { replicas: -1 } }), refusal(422));
});

Deno.test("a list of a selection is of one revision, and pages of it too", async () => {
  await using server = await testApiServer();
  for (const name of ["a", "b", "c"]) {
    await server.create(maps, { metadata: { name, labels: { odd: String(name !== "b") } } });
  }
  deepEqual((await server.list(maps, { labelSelector: "odd=true" })).map(({ metadata }) => metadata.name), ["a", "c"]);
});

function aDeployment() {
  return {
    metadata: { name: "web" },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: "web" } },
      template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "c", image: "i:1" }] } },
    },
  };
}

async function caught(attempt: Promise<unknown>): Promise<StatusError> {
  const error = await attempt.then(() => undefined, (error) => error);
  ok(error instanceof StatusError, String(error));
  return error;
}
