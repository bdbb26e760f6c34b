import { equal, ok, rejects } from "node:assert/strict";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { ANONYMOUS, authenticatedUser, type User } from "@k3ts/api";
import { testApiServer } from "@k3ts/api/testing";
import { createResourceClient } from "@k3ts/client";
import { type Node, resources } from "@k3ts/model";
import { ClusterService } from "@k3ts/proto";
import { CertificateAuthority } from "./certificates.ts";
import { clusterService } from "./cluster_service.ts";
import { TokenStore } from "./token_store.ts";

const RANGES = {
  podCidr: "10.42.0.0/16",
  serviceCidr: "10.43.0.0/16",
  dnsAddress: "10.43.0.10",
  clusterDomain: "cluster.local",
};

Deno.test("a machine joins as a new node, and as no node that there is", async () => {
  await using cluster = await startCluster();
  const { join, server } = cluster;
  ok((await join(ANONYMOUS, "n1")).certificate.includes("BEGIN CERTIFICATE"));
  const other = { certificateRequest: await makeRequest() };
  await rejects(
    join(ANONYMOUS, "n1", other),
    refused(Code.AlreadyExists, /must be the name of a new node: there is one/),
  );
  const n2 = authenticatedUser("system:node:n2", ["system:nodes"]);
  await rejects(join(n2, "n1", other), refused(Code.AlreadyExists));
  // The machine whose answer was lost asks again with its key; the node itself may have a new certificate.
  ok((await join(ANONYMOUS, "n1")).certificate);
  ok((await join(authenticatedUser("system:node:n1", ["system:nodes"]), "n1", other)).certificate);
  await server.delete({ resource: "nodes", name: "n1" });
  ok((await join(ANONYMOUS, "n1", other)).certificate);
  // A node that somebody has made by hand is nobody's.
  await server.create({ resource: "nodes" }, { metadata: { name: "n3" } });
  await rejects(join(ANONYMOUS, "n3"), refused(Code.AlreadyExists));
});

Deno.test("of machines that join under one name at the same time one gets it", async () => {
  await using cluster = await startCluster();
  const requests = await Promise.all(Array.from({ length: 8 }, makeRequest));
  const results = await Promise.allSettled(
    requests.map((certificateRequest) => cluster.join(ANONYMOUS, "n1", { certificateRequest })),
  );
  equal(results.filter(({ status }) => status === "fulfilled").length, 1);
});

Deno.test("nobody joins without a valid token, a good name and a request for a certificate", async () => {
  await using cluster = await startCluster();
  const { join, client } = cluster;
  for (const token of ["", "x", `${"0".repeat(8)}.${"0".repeat(48)}`, "../../secrets", "a".repeat(100_000)]) {
    await rejects(join(ANONYMOUS, "n1", { token }), refused(Code.Unauthenticated, /unknown or has expired/));
  }
  for (const name of ["", "A", "a/b", "../n1", "a".repeat(254), "n1,O=system:masters", "n1\0"]) {
    await rejects(join(ANONYMOUS, name), refused(Code.InvalidArgument, /must be a name for a node/));
  }
  for (const length of [0, 100, 20_000]) {
    const certificateRequest = new Uint8Array(length);
    await rejects(join(ANONYMOUS, "n1", { certificateRequest }), refused(Code.InvalidArgument));
  }
  const admin = client(authenticatedUser("admin", ["system:masters"]));
  await rejects(admin.createToken({ ttlSeconds: -1n }), refused(Code.InvalidArgument));
  await rejects(admin.createToken({ ttlSeconds: 1n << 60n }), refused(Code.InvalidArgument));
  await rejects(admin.createToken({ description: "x".repeat(2000) }), refused(Code.InvalidArgument));
  await rejects(client(ANONYMOUS).createToken({}), refused(Code.PermissionDenied));
  await rejects(client(ANONYMOUS).getInfo({}), refused(Code.Unauthenticated));
});

Deno.test("a token for one node lets that node in, also once more, and no other; it ends with its use", async () => {
  await using cluster = await startCluster();
  const { join, client, server, tokens } = cluster;
  const admin = client(authenticatedUser("admin", ["system:masters"]));
  const made = await admin.createToken({ nodeName: "n1" });
  const token = made.token.split(".").slice(2).join(".");
  await server.create({ resource: "nodes" }, { metadata: { name: "n1" } });
  await rejects(join(ANONYMOUS, "n2", { token }), refused(Code.PermissionDenied, /it is for "n1"/));
  ok((await join(ANONYMOUS, "n1", { token })).certificate);
  await tokens.endFor("n1");
  await rejects(join(ANONYMOUS, "n1", { token }), refused(Code.Unauthenticated));
  // What is for any machine stays.
  equal((await admin.listTokens({})).tokens.length, 1);
  await rejects(admin.createToken({ nodeName: "../x" }), refused(Code.InvalidArgument));
});

Deno.test("join tokens are listed without secrets, and of no use once they are deleted or have expired", async () => {
  await using cluster = await startCluster();
  const { join, client, server } = cluster;
  const admin = client(authenticatedUser("admin", ["system:masters"]));
  const made = await admin.createToken({ ttlSeconds: 60n, description: "rack 4" });
  const [id, secret] = made.token.split(".").slice(2) as [string, string];
  const { tokens: [first, ...more] } = await admin.listTokens({});
  equal(JSON.stringify([first?.id, first?.description, more.length]), JSON.stringify([id, "rack 4", 1]));
  ok(!JSON.stringify([first, ...more].map((token) => ({ ...token }))).includes(secret));
  await admin.deleteToken({ token: made.token });
  await rejects(join(ANONYMOUS, "n1", { token: `${id}.${secret}` }), refused(Code.Unauthenticated));
  await rejects(admin.deleteToken({ token: id }), refused(Code.NotFound));
  for (const token of ["", "x", "../secrets/a", "0123456", `${id}.x`]) {
    await rejects(admin.deleteToken({ token }), refused(Code.InvalidArgument));
  }
  server.clock.advance(2 * 24 * 3600 * 1000);
  equal((await admin.listTokens({})).tokens.length, 0);
  for (const user of [ANONYMOUS, authenticatedUser("system:node:n1", ["system:nodes"])]) {
    await rejects(client(user).listTokens({}), refused(Code.PermissionDenied));
    await rejects(client(user).deleteToken({ token: id }), refused(Code.PermissionDenied));
    await rejects(client(user).createToken({}), refused(Code.PermissionDenied));
  }
});

async function startCluster() {
  const server = await testApiServer();
  const now = () => server.clock.wall();
  const ca = await CertificateAuthority.open(await CertificateAuthority.create("k3ts-ca", now), now);
  const clients = createResourceClient(server.transport());
  const tokens = new TokenStore(clients);
  const versions = { k3ts: "0", kubernetes: "v1" };
  const client = (user: User) =>
    createClient(
      ClusterService,
      createRouterTransport((router) => {
        const service = clusterService({
          server,
          ca,
          tokens,
          nodes: clients.of<Node>(resources.nodes),
          ranges: RANGES,
          versions,
          identify: () => Promise.resolve(user),
          now,
        });
        router.service(ClusterService, service);
      }),
    );
  const made = await client(authenticatedUser("admin", ["system:masters"])).createToken({});
  equal(made.token.split(".").length, 4);
  const good = { token: made.token.split(".").slice(2).join("."), certificateRequest: await makeRequest() };
  return {
    server,
    client,
    tokens,
    join: (user: User, nodeName: string, more: { token?: string; certificateRequest?: Uint8Array<ArrayBuffer> } = {}) =>
      client(user).join({ ...good, nodeName, ...more }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

async function makeRequest(): Promise<Uint8Array<ArrayBuffer>> {
  const alg = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await crypto.subtle.generateKey(alg, true, ["sign", "verify"]);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({ name: "CN=x", keys, signingAlgorithm: alg });
  return new Uint8Array(request.rawData);
}

function refused(code: Code, message = /./): (error: unknown) => boolean {
  return (error) => {
    const { code: found, rawMessage } = ConnectError.from(error);
    equal(`${Code[found]}: ${message.test(rawMessage) ? "" : rawMessage}`, `${Code[code]}: `);
    return true;
  };
}
