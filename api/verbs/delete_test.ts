import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import type { ApiObject } from "@k3ts/model";
import { refusal } from "../testing/refusal.ts";
import { type CallTarget, type TestApiServer, testApiServer } from "../testing/test_api_server.ts";

const pods: CallTarget = { resource: "pods", namespace: "default" };
const maps: CallTarget = { resource: "configmaps", namespace: "default" };

Deno.test("what nothing holds is gone at once, and the answer says so", async () => {
  await using server = await testApiServer();
  const { metadata } = await server.create(maps, { metadata: { name: "a" } });
  const status = await server.delete({ ...maps, name: "a" }) as unknown as { status: string; details: object };
  deepEqual([status.status, status.details], ["Success", { name: "a", kind: "configmaps", uid: metadata.uid }]);
  await rejects(server.get({ ...maps, name: "a" }), refusal(404));
});

Deno.test("a pod that no node has is gone at once", async () => {
  await using server = await withPod();
  await server.delete({ ...pods, name: "p" });
  await rejects(server.get({ ...pods, name: "p" }), refusal(404));
});

Deno.test("a pod that a node has is given its grace, and goes when the node says so", async () => {
  await using server = await withPod("n1");
  const dying = await server.delete({ ...pods, name: "p" });
  deepEqual([dying.metadata.deletionGracePeriodSeconds, dying.metadata.deletionTimestamp], [
    30,
    "2026-01-01T00:00:30Z",
  ]);
  await server.delete({ ...pods, name: "p" }, { gracePeriodSeconds: 0 });
  await rejects(server.get({ ...pods, name: "p" }), refusal(404));
});

Deno.test("a second delete may hasten the first, but never delay it", async () => {
  await using server = await withPod("n1");
  await server.delete({ ...pods, name: "p" }, { gracePeriodSeconds: 20 });
  server.clock.advance(5_000);
  const later = await server.delete({ ...pods, name: "p" }, { gracePeriodSeconds: 60 });
  deepEqual([later.metadata.deletionGracePeriodSeconds, later.metadata.deletionTimestamp], [
    20,
    "2026-01-01T00:00:20Z",
  ]);
  const sooner = await server.delete({ ...pods, name: "p" }, { gracePeriodSeconds: 8 });
  deepEqual([sooner.metadata.deletionGracePeriodSeconds, sooner.metadata.deletionTimestamp], [
    8,
    "2026-01-01T00:00:08Z",
  ]);
  equal((await server.delete({ ...pods, name: "p" })).metadata.deletionGracePeriodSeconds, 8);
});

Deno.test("an object with finalizers goes when the last is taken off", async () => {
  await using server = await testApiServer();
  await server.create(maps, { metadata: { name: "a", finalizers: ["example.com/x", "example.com/y"] } });
  const dying = await server.delete({ ...maps, name: "a" });
  ok(dying.metadata.deletionTimestamp);
  await server.patch({ ...maps, name: "a" }, "merge", { metadata: { finalizers: ["example.com/x"] } });
  ok((await server.get({ ...maps, name: "a" })).metadata.deletionTimestamp);
  await server.patch({ ...maps, name: "a" }, "merge", { metadata: { finalizers: null } });
  await rejects(server.get({ ...maps, name: "a" }), refusal(404));
});

Deno.test("orphaning and foreground deletion wait for the garbage collector, background does not", async () => {
  await using server = await testApiServer();
  for (const name of ["o", "f", "b"]) await server.create(maps, { metadata: { name } });
  const orphaning = await server.delete({ ...maps, name: "o" }, { propagationPolicy: "Orphan" });
  deepEqual(orphaning.metadata.finalizers, ["orphan"]);
  const foreground = await server.delete({ ...maps, name: "f" }, { propagationPolicy: "Foreground" });
  deepEqual(foreground.metadata.finalizers, ["foregroundDeletion"]);
  await server.delete({ ...maps, name: "b" }, { propagationPolicy: "Background" });
  await rejects(server.get({ ...maps, name: "b" }), refusal(404));
});

Deno.test("a delete that is meant for another object is refused", async () => {
  await using server = await testApiServer();
  await server.create(maps, { metadata: { name: "a" } });
  const wrong = server.delete({ ...maps, name: "a" }, { preconditions: { uid: "other" } });
  await rejects(wrong, refusal(409, /Precondition failed: UID in precondition: other/));
});

Deno.test("a namespace stays, terminating, until its own finalizer is taken off", async () => {
  await using server = await testApiServer();
  const target = { resource: "namespaces", name: "demo" };
  await server.create({ resource: "namespaces" }, { metadata: { name: "demo" } });
  const dying = await server.delete(target) as ApiObject & {
    status: { phase: string };
    spec: { finalizers: string[] };
  };
  deepEqual([dying.status.phase, dying.spec.finalizers], ["Terminating", ["kubernetes"]]);
  await server.update({ ...target, subresource: "finalize" }, { ...dying, spec: { finalizers: [] } });
  await rejects(server.get(target), refusal(404));
  await rejects(server.delete({ resource: "namespaces", name: "default" }), refusal(403, /may not be deleted/));
});

Deno.test("a watcher is told the last state, with the revision of the deletion", async () => {
  await using server = await testApiServer();
  await server.create(maps, { metadata: { name: "a" }, data: { x: "y" } });
  await server.delete({ ...maps, name: "a" });
  const history = server.registry.cache.of({ group: "", resource: "configmaps" }).history;
  const change = history.at(history.end - 1);
  ok(change !== undefined && change !== "forgotten");
  const last = JSON.parse(new TextDecoder().decode(change.object.json));
  deepEqual([change.type, last.data, last.metadata.resourceVersion], ["DELETED", { x: "y" }, String(change.revision)]);
});

async function withPod(node?: string): Promise<TestApiServer> {
  const server = await testApiServer();
  await server.create({ resource: "serviceaccounts", namespace: "default" }, { metadata: { name: "default" } });
  await server.create(pods, { metadata: { name: "p" }, spec: { containers: [{ name: "c", image: "i" }] } });
  if (node !== undefined) {
    const binding = { metadata: { name: "p" }, target: { kind: "Node", name: node } };
    await server.create({ ...pods, name: "p", subresource: "binding" }, binding);
  }
  return server;
}
