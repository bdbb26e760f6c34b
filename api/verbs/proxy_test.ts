import { deepEqual, rejects } from "node:assert/strict";
import { authenticatedUser, type User } from "../auth/user.ts";
import { refusal } from "../testing/refusal.ts";
import { ADMIN, type TestApiServer, testApiServer } from "../testing/test_api_server.ts";
import { connect } from "./connect.ts";
import type { Splice } from "./request.ts";

/** A node, a pod on it with a port, and a Service with a ready and an unready endpoint. */
async function cluster(): Promise<TestApiServer> {
  const server = await testApiServer();
  await server.create({ resource: "nodes" }, { metadata: { name: "n1" } });
  await server.create({ resource: "serviceaccounts", namespace: "default" }, { metadata: { name: "default" } });
  await server.create({ resource: "pods", namespace: "default" }, {
    metadata: { name: "p" },
    spec: {
      nodeName: "n1",
      containers: [{ name: "c", image: "i", ports: [{ name: "web", containerPort: 8080 }] }],
    },
  });
  await server.create({ resource: "services", namespace: "default" }, {
    metadata: { name: "s" },
    spec: { ports: [{ name: "http", port: 80, targetPort: 8080 }] },
  });
  await server.create({ resource: "endpointslices.discovery.k8s.io", namespace: "default" }, {
    metadata: { name: "s-1", labels: { "kubernetes.io/service-name": "s" } },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080 }],
    endpoints: [
      { addresses: ["10.0.0.1"], nodeName: "n1", targetRef: { kind: "Pod", name: "p" } },
      { addresses: ["10.0.0.2"], nodeName: "n2", targetRef: { kind: "Pod", name: "q" }, conditions: { ready: false } },
    ],
  });
  return server;
}

function ask(server: TestApiServer, resource: string, name: string, path?: string, user: User = ADMIN, verb = "get") {
  return connect({
    user,
    resource: server.resources.get(resource),
    namespace: resource === "nodes" ? "" : "default",
    name,
    subresource: "proxy",
    verb,
    query: new URLSearchParams("a=b"),
    signal: new AbortController().signal,
    ...(path !== undefined && { proxyPath: path }),
  }, server.verbs);
}

function seenAt(path: string): string {
  return encodeURIComponent(`/api/v1/namespaces/default/${path}/proxy`);
}

Deno.test("a proxy leads to the agent of the node, and to the port that is meant", async () => {
  await using server = await cluster();
  const cases: [string, string, string | undefined, string][] = [
    ["nodes", "n1", "/healthz", "/healthz?a=b"],
    ["nodes", "https:n1:10250", "/pods", "/pods?a=b"],
    ["nodes", "n1", undefined, "/?a=b"],
    ["pods", "p", "/x%20y", `/podProxy/default/p/http/8080/${seenAt("pods/p")}/x%20y?a=b`],
    ["pods", "p:web", "/", `/podProxy/default/p/http/8080/${seenAt("pods/p:web")}/?a=b`],
    ["pods", "https:p:9443", "/", `/podProxy/default/p/https/9443/${seenAt("pods/https:p:9443")}/?a=b`],
    ["services", "s", "/", `/podProxy/default/p/http/8080/${seenAt("services/s")}/?a=b`],
    ["services", "http:s:http", "/", `/podProxy/default/p/http/8080/${seenAt("services/http:s:http")}/?a=b`],
    ["services", "s:80", "/", `/podProxy/default/p/http/8080/${seenAt("services/s:80")}/?a=b`],
  ];
  for (const [resource, name, path, expected] of cases) {
    deepEqual(await ask(server, resource, name, path), { node: "n1", path: expected } satisfies Splice);
  }
});

Deno.test("a proxy refuses what is not there, and what is not its own, however it is written", async () => {
  await using server = await cluster();
  await rejects(ask(server, "nodes", "n2", "/"), refusal(404));
  await rejects(ask(server, "pods", "q", "/"), refusal(404));
  await rejects(ask(server, "pods", "p:99999", "/"), refusal(400, /invalid proxy port/));
  await rejects(ask(server, "pods", "a:b:c:d", "/"), refusal(400, /invalid proxy target/));
  await rejects(ask(server, "services", "s:nothing", "/"), refusal(503, /no service port "nothing"/));
  for (
    const path of [
      "/podProxy/default/p/http/80/",
      "/pod%50roxy/x",
      "//podProxy/x",
      "/x/../podProxy/x",
      "/%2e/k3ts.v1.StreamService/Exec",
    ]
  ) {
    await rejects(ask(server, "nodes", "n1", path), refusal(400, /does not lead to/), path);
  }
  await rejects(ask(server, "nodes", "n1", "/%zz"), refusal(400, /invalid URL escape/));
});

Deno.test("whoever may only read a node's pages runs nothing through them", async () => {
  await using server = await cluster();
  await server.create({ resource: "clusterroles.rbac.authorization.k8s.io" }, {
    metadata: { name: "reader" },
    rules: [{ apiGroups: [""], resources: ["nodes/proxy"], verbs: ["get"] }],
  });
  await server.create({ resource: "clusterrolebindings.rbac.authorization.k8s.io" }, {
    metadata: { name: "reader" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "reader" },
    subjects: [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "bob" }],
  });
  const bob = authenticatedUser("bob", []);
  deepEqual(await ask(server, "nodes", "n1", "/healthz", bob), { node: "n1", path: "/healthz?a=b" });
  for (
    const path of ["/exec/default/p/c", "/%65xec/default/p/c", "//attach/x", "/./portForward/default/p", "/a/../run/x"]
  ) {
    await rejects(ask(server, "nodes", "n1", path, bob), refusal(403), path);
  }
  await rejects(ask(server, "nodes", "n1", "/healthz", bob, "create"), refusal(403));
  // As OPTIONS has no verb, only who may do everything may do that.
  await rejects(ask(server, "nodes", "n1", "/healthz", bob, ""), refusal(403));
  deepEqual(await ask(server, "nodes", "n1", "/healthz", ADMIN, ""), { node: "n1", path: "/healthz?a=b" });
  await rejects(ask(server, "pods", "p", "/", bob), refusal(403));
});
