import { deepEqual, equal, rejects } from "node:assert/strict";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { ANONYMOUS, authenticatedUser, type User } from "@k3ts/api";
import { testApiServer } from "@k3ts/api/testing";
import { createResourceClient } from "@k3ts/client";
import { type Node, systemClock } from "@k3ts/model";
import { NodeService } from "@k3ts/proto";
import { CertificateAuthority } from "./certificates.ts";
import { nodeService } from "./node_service.ts";
import { UsageTable } from "../usage/usage_table.ts";
import { TokenStore } from "./token_store.ts";

const n1 = authenticatedUser("system:node:n1", ["system:nodes"]);
const encode = (node: unknown) => new TextEncoder().encode(JSON.stringify(node));
const refused = (code: Code) => (error: unknown) => ConnectError.from(error).code === code;

Deno.test("a node registers itself only, as what it may call itself", async () => {
  await using cluster = await start();
  const register = (user: User, node: unknown) => cluster.as(user).register({ node: encode(node) });
  const own = { metadata: { name: "n1", labels: { "kubernetes.io/hostname": "n1" } } };
  for (const user of [ANONYMOUS, authenticatedUser("system:node:n1", []), authenticatedUser("n1", ["system:nodes"])]) {
    await rejects(register(user, own), refused(Code.PermissionDenied));
  }
  await rejects(register(n1, { metadata: { name: "n2" } }), refused(Code.PermissionDenied));
  const chosen = { "node-role.kubernetes.io/control-plane": "" };
  await rejects(register(n1, { metadata: { name: "n1", labels: chosen } }), refused(Code.PermissionDenied));
  const { node } = await register(n1, {
    ...own,
    spec: { podCIDR: "10.0.0.0/8", configSource: {}, unschedulable: true },
  });
  const { metadata, spec } = JSON.parse(new TextDecoder().decode(node)) as Node;
  deepEqual([metadata.labels, spec], [own.metadata.labels, { podCIDR: "10.42.0.0/24", podCIDRs: ["10.42.0.0/24"] }]);
  // Nor once it is there; what others have written of it stays.
  await cluster.server.patch({ resource: "nodes", name: "n1" }, "merge", {
    metadata: { labels: { "node-role.kubernetes.io/worker": "" } },
    spec: { taints: [{ key: "a", effect: "NoSchedule" }] },
  });
  await rejects(register(n1, { metadata: { name: "n1", labels: chosen } }), refused(Code.PermissionDenied));
  const again = await register(n1, { ...own, spec: { taints: [] } });
  const after = JSON.parse(new TextDecoder().decode(again.node)) as Node;
  equal(after.metadata.labels?.["node-role.kubernetes.io/worker"], "");
  equal(after.spec?.taints?.length, 1);
});

Deno.test("the node on the server's own machine has the role of a control plane, without a taint, and no other has", async () => {
  await using cluster = await start("n1");
  for (const [name, label] of [["n1", "true"], ["n2", undefined]] as const) {
    const user = authenticatedUser(`system:node:${name}`, ["system:nodes"]);
    for (const time of ["first", "again"]) {
      const { node } = await cluster.as(user).register({ node: encode({ metadata: { name, labels: { a: "b" } } }) });
      const { metadata, spec } = JSON.parse(new TextDecoder().decode(node)) as Node;
      equal(metadata.labels?.["node-role.kubernetes.io/control-plane"], label, `${name}, ${time}`);
      equal(metadata.labels?.["a"], "b");
      equal(spec?.taints, undefined);
    }
  }
});

Deno.test("what is no node is refused in words", async () => {
  await using cluster = await start();
  for (const odd of [null, 1, [], {}, { metadata: null }, { metadata: { name: 1 } }]) {
    await rejects(cluster.as(n1).register({ node: encode(odd) }), refused(Code.InvalidArgument), JSON.stringify(odd));
  }
  await rejects(cluster.as(n1).register({ node: new Uint8Array([1]) }), refused(Code.InvalidArgument));
});

async function start(ownNode?: string) {
  const server = await testApiServer();
  const clients = createResourceClient(server.transport());
  const now = () => server.clock.wall();
  const ca = await CertificateAuthority.open(await CertificateAuthority.create("k3ts-ca", now), now);
  const tokens = new TokenStore(clients);
  return {
    server,
    as: (user: User) =>
      createClient(
        NodeService,
        createRouterTransport((router) =>
          router.service(
            NodeService,
            nodeService({
              clients,
              podCidr: "10.42.0.0/16",
              identify: () => Promise.resolve(user),
              ca,
              tokens,
              usage: new UsageTable(systemClock),
              ownNode,
            }),
          )
        ),
      ),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
