import { deepEqual, equal, match, ok } from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { authenticatedUser, type Credentials } from "@k3ts/api";
import { ADMIN, testApiServer } from "@k3ts/api/testing";
import { FakeClock } from "@k3ts/model/testing";
import { ReportUsageRequestSchema } from "@k3ts/proto";
import { restFace } from "../faces/rest.ts";
import { metricsGroup } from "./metrics_group.ts";
import { UsageTable } from "./usage_table.ts";

const BASE = "/apis/metrics.k8s.io/v1beta1";
const admin: Credentials = { certificate: { commonName: "admin", organizations: ["system:masters"] } };

/** Two nodes, of which one reports; a pod of each, and one that does not run yet. */
async function served() {
  const usage = new UsageTable(new FakeClock(0));
  const server = await testApiServer({ computed: [metricsGroup(usage, () => server, ADMIN, () => 0)] });
  for (const name of ["n1", "n2"]) {
    await server.create({ resource: "nodes" }, { metadata: { name, labels: { disk: name } } });
  }
  await server.create({ resource: "serviceaccounts", namespace: "default" }, { metadata: { name: "default" } });
  const uids: Record<string, string> = {};
  for (
    const [name, nodeName, phase] of [["web", "n1", "Running"], ["other", "n2", "Running"], ["new", "n1", "Pending"]]
  ) {
    const target = { resource: "pods", namespace: "default", name: name! };
    await server.create({ resource: "pods", namespace: "default" }, {
      metadata: { name, labels: { app: name } },
      spec: { nodeName, containers: [{ name: "c", image: "i" }, { name: "d", image: "i" }] },
    });
    const pod = await server.get<{ metadata: { name: string; uid: string } }>(target);
    uids[name!] = pod.metadata.uid;
    await server.update({ ...target, subresource: "status" }, { ...pod, status: { phase } });
  }
  const container = (name: string, cpuNanocores: bigint) => ({
    name,
    usage: { windowMs: 15_250, cpuNanocores, memoryBytes: 2048n },
  });
  usage.put(
    "n1",
    create(ReportUsageRequestSchema, {
      node: { windowMs: 15_000, cpuNanocores: 1_500_000_000n, memoryBytes: 1_048_577n },
      pods: [
        { uid: uids.web!, containers: [container("c", 5n), container("d", 0n), container("made-up", 7n)] },
        // Neither a pod of others, nor one that does not run.
        { uid: uids.other!, containers: [container("c", 1n)] },
        { uid: uids.new!, containers: [container("c", 1n)] },
      ],
    }),
  );
  const ask = async (path: string, credentials = admin, init: RequestInit = {}) => {
    const face = restFace(server, { credentials: () => credentials });
    const response = await face(new Request(`http://api${path}`, init));
    return { status: response.status, body: await response.json() };
  };
  return { server, ask, [Symbol.asyncDispose]: () => server.close() };
}

Deno.test("nodes and pods are told of as their nodes have said, others not", async () => {
  await using api = await served();
  const nodes = (await api.ask(`${BASE}/nodes`)).body;
  equal(nodes.kind, "NodeMetricsList");
  deepEqual(nodes.items.map((one: { metadata: { name: string } }) => one.metadata.name), ["n1"]);
  deepEqual(nodes.items[0].usage, { cpu: "1500000000n", memory: "1048577" });
  equal(nodes.items[0].window, "15s");
  const pods = (await api.ask(`${BASE}/pods`)).body;
  equal(pods.items.length, 1, JSON.stringify(pods));
  deepEqual(pods.items[0].containers, [
    { name: "c", usage: { cpu: "5n", memory: "2Ki" } },
    { name: "d", usage: { cpu: "0", memory: "2Ki" } },
  ]);
  deepEqual((await api.ask(`${BASE}/namespaces/default/pods/web`)).body.metadata.labels, { app: "web" });
});

Deno.test("selectors choose by what the nodes and pods are", async () => {
  await using api = await served();
  const count = async (path: string) => (await api.ask(`${BASE}/${path}`)).body.items.length;
  equal(await count("nodes?labelSelector=disk%3Dn1"), 1);
  equal(await count("nodes?labelSelector=disk%3Dn2"), 0);
  equal(await count("namespaces/default/pods?labelSelector=app%3Dweb"), 1);
  equal(await count("namespaces/default/pods?fieldSelector=metadata.name%3Dother"), 0);
  equal(await count("namespaces/kube-system/pods"), 0);
  equal((await api.ask(`${BASE}/pods?labelSelector=%3D%3D`)).status, 400);
});

Deno.test("what is not known is refused in the words of metrics-server", async () => {
  await using api = await served();
  const refused = async (path: string, init?: RequestInit) => {
    const { status, body } = await api.ask(`${BASE}/${path}`, admin, init);
    return `${status} ${body.message}`;
  };
  equal(await refused("nodes/n2"), '404 nodemetrics.metrics.k8s.io "n2" not found');
  equal(await refused("nodes/n9"), '404 nodes "n9" not found');
  equal(
    await refused("namespaces/default/pods/new"),
    '404 podmetrics.metrics.k8s.io "default/new" not found',
  );
  equal(await refused("namespaces/default/pods/none"), '404 pods "none" not found');
  match(await refused("nodes/n1/status"), /^404 the server could not find/);
  match(await refused("namespaces/default/nodes"), /^404 the server could not find/);
  match(await refused("pods?watch=true"), /^405 /);
  match(await refused("nodes/n1", { method: "DELETE" }), /^405 /);
  match(await refused("nodes", { method: "POST", body: "{}" }), /^405 /);
});

Deno.test("the group is found like any other, and read by whom a role lets", async () => {
  await using api = await served();
  const { body: list } = await api.ask(BASE);
  deepEqual(list.resources.map((one: { name: string; verbs: string[] }) => `${one.name} ${one.verbs}`), [
    "nodes get,list",
    "pods get,list",
  ]);
  const { body: groups } = await api.ask("/apis");
  ok(groups.groups.some((one: { name: string }) => one.name === "metrics.k8s.io"));
  const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
  const { body: all } = await api.ask("/apis", admin, { headers: { accept: aggregated } });
  const group = all.items.find((one: { metadata: { name?: string } }) => one.metadata.name === "metrics.k8s.io");
  deepEqual(group.versions[0].resources.map((one: { scope: string }) => one.scope), ["Cluster", "Namespaced"]);

  const eve: Credentials = { certificate: { commonName: "eve", organizations: [] } };
  const refused = await api.ask(`${BASE}/namespaces/default/pods`, eve);
  equal(refused.status, 403);
  match(refused.body.message, /cannot list resource "pods" in API group "metrics.k8s.io" in the namespace "default"/);
  await api.server.create({ resource: "rolebindings.rbac.authorization.k8s.io", namespace: "default" }, {
    metadata: { name: "eve" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "view" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: authenticatedUser("eve", []).name }],
  });
  equal((await api.ask(`${BASE}/namespaces/default/pods`, eve)).body.items.length, 1);
  equal((await api.ask(`${BASE}/nodes`, eve)).status, 403);
});
