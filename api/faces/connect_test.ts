import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { decodeProtobuf } from "@k3ts/model";
import { Encoding, EventType, PatchType, ResourceService, StatusDetailSchema } from "@k3ts/proto";
import { ANONYMOUS, authenticatedUser } from "../auth/user.ts";
import { type TestApiServer, testApiServer } from "../testing/test_api_server.ts";

const encode = (object: object) => new TextEncoder().encode(JSON.stringify(object));
const decode = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes));
const maps = { version: "v1", resource: "configmaps", namespace: "default" };

Deno.test("an object is created, read, updated, patched, listed and deleted over Connect", async () => {
  await using server = await testApiServer();
  const client = createClient(ResourceService, server.transport());
  const resource = { ...maps, name: "a" };
  const made = await client.create({ resource: maps, object: encode({ metadata: { name: "a" }, data: { x: "1" } }) });
  equal(decode(made.object).data.x, "1");
  await client.update({ resource, object: encode({ ...decode(made.object), data: { x: "2" } }) });
  await client.patch({ resource, type: PatchType.MERGE, patch: encode({ data: { y: "3" } }) });
  deepEqual(decode((await client.get({ resource })).object).data, { x: "2", y: "3" });
  const { objects, resourceVersion } = await client.list({ resource: maps });
  deepEqual([objects.length, Number(resourceVersion)], [1, server.registry.cache.revision]);
  const gone = await client.delete({ resource });
  equal(decode(gone.object).status, "Success");
});

Deno.test("objects come as Kubernetes protobuf or as a Table to those who ask", async () => {
  await using server = await testApiServer();
  const client = createClient(ResourceService, server.transport());
  const resource = { version: "v1", resource: "namespaces", name: "default" };
  const { object } = await client.get({ resource, encoding: Encoding.PROTOBUF });
  equal(decodeProtobuf<{ metadata: { name: string } }>(object).metadata.name, "default");
  const { objects } = await client.list({ resource: { ...resource, name: "" }, encoding: Encoding.TABLE });
  deepEqual([objects.length, decode(objects[0]!).kind, decode(objects[0]!).rows.length], [1, "Table", 4]);
});

Deno.test("a refusal carries its Status", async () => {
  await using server = await testApiServer();
  const client = createClient(ResourceService, server.transport());
  await rejects(client.get({ resource: { ...maps, name: "none" } }), (error) => {
    ok(error instanceof ConnectError);
    const [detail] = error.findDetails(StatusDetailSchema);
    deepEqual([error.code, decode(detail!.status).reason], [Code.NotFound, "NotFound"]);
    return true;
  });
  const bob = createClient(ResourceService, server.transport(authenticatedUser("bob", [])));
  await rejects(bob.list({ resource: maps }), (error) => ConnectError.from(error).code === Code.PermissionDenied);
  await rejects(client.get({ resource: { version: "v1", resource: "nothings", name: "a" } }), ConnectError);
});

Deno.test("a watch begins with what is there, goes on, and ends when its client does", async () => {
  await using server = await testApiServer();
  const client = createClient(ResourceService, server.transport());
  await client.create({ resource: maps, object: encode({ metadata: { name: "a" } }) });
  const leaving = new AbortController();
  const seen: [EventType, string][] = [];
  try {
    for await (const { events } of client.watch({ resource: maps }, { signal: leaving.signal })) {
      for (const { type, object } of events) seen.push([type, decode(object).metadata.name]);
      if (seen.length === 1) await client.create({ resource: maps, object: encode({ metadata: { name: "b" } }) });
      if (seen.length === 2) await client.delete({ resource: { ...maps, name: "a" } });
      if (seen.length === 3) leaving.abort();
    }
  } catch (error) {
    equal(ConnectError.from(error).code, Code.Canceled);
  }
  deepEqual(seen, [[EventType.ADDED, "a"], [EventType.ADDED, "b"], [EventType.DELETED, "a"]]);
  await turnsUntil(() => server.registry.cache.watchCount === 0);
});

Deno.test("a watch from a forgotten revision ends with OUT_OF_RANGE", async () => {
  await using server = await testApiServer({
    registry: { historyLimits: { changesMax: 8, bytesMax: 1e9, ageMsMax: 1e9 } },
  });
  const client = createClient(ResourceService, server.transport());
  for (let index = 0; index < 20; index++) {
    await client.create({ resource: maps, object: encode({ metadata: { name: `m${index}` } }) });
  }
  const watching = Array.fromAsync(client.watch({ resource: maps, resourceVersion: "1" }));
  await rejects(watching, (error) => ConnectError.from(error).code === Code.OutOfRange);
});

Deno.test("a watch with a time of its own ends by itself", async () => {
  await using server = await testApiServer();
  const client = createClient(ResourceService, server.transport());
  const watching = Array.fromAsync(client.watch({ resource: maps, timeoutSeconds: 5n }));
  await turnsUntil(() => server.registry.cache.watchCount === 1);
  server.clock.advance(6_000);
  deepEqual(await watching, []);
});

Deno.test("what a binding allows in its namespace is not allowed of the cluster", async () => {
  await using server = await testApiServer();
  await server.create({ resource: "rolebindings.rbac.authorization.k8s.io", namespace: "default" }, {
    metadata: { name: "bob" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "bob" }],
  });
  const bob = createClient(ResourceService, server.transport(authenticatedUser("bob", [])));
  await bob.create({ resource: maps, object: encode({ metadata: { name: "a" } }) });
  const refused = (code: Code) => (error: unknown) => ConnectError.from(error).code === code;
  const inDefault = { version: "v1", resource: "namespaces", namespace: "default" };
  const object = encode({ metadata: { name: "more" } });
  await rejects(bob.create({ resource: inDefault, object }), refused(Code.NotFound));
  await rejects(bob.get({ resource: { ...inDefault, name: "default" } }), refused(Code.NotFound));
  await rejects(bob.create({ resource: { ...inDefault, namespace: "" }, object }), refused(Code.PermissionDenied));
  const admin = createClient(ResourceService, server.transport());
  await rejects(admin.create({ resource: { ...maps, namespace: "" }, object }), refused(Code.Unimplemented));
});

Deno.test("an object or a patch may not be larger than Kubernetes takes", async () => {
  await using server = await testApiServer();
  const client = createClient(ResourceService, server.transport());
  const large = encode({ metadata: { name: "a" }, data: { x: "y".repeat(3 * 1024 * 1024) } });
  const refused = (error: unknown) => ConnectError.from(error).code === Code.ResourceExhausted;
  await rejects(client.create({ resource: maps, object: large }), refused);
  await rejects(client.patch({ resource: { ...maps, name: "a" }, type: PatchType.MERGE, patch: large }), refused);
});

Deno.test("those who have proved nothing are told nothing, not even what is served", async () => {
  await using server = await testApiServer();
  const anybody = createClient(ResourceService, server.transport(ANONYMOUS));
  await rejects(anybody.discover({}), (error) => ConnectError.from(error).code === Code.PermissionDenied);
});

Deno.test("discovery lists what is served", async () => {
  await using server: TestApiServer = await testApiServer();
  const { resources } = await createClient(ResourceService, server.transport()).discover({});
  const pods = resources.find(({ resource }) => resource === "pods");
  deepEqual([pods?.kind, pods?.shortNames, pods?.subresources.includes("log")], ["Pod", ["po"], true]);
});

/** Lets the event loop turn until something is so. */
async function turnsUntil(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000 && !holds(); turn++) await new Promise((resolve) => setTimeout(resolve, 0));
  ok(holds());
}
