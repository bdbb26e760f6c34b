import { deepEqual, equal, ok } from "node:assert/strict";
import { MemoryStore } from "../store/memory.ts";
import { testApiServer } from "../testing/test_api_server.ts";
import { bootstrapRbac } from "./roles.ts";

Deno.test("a fresh cluster has its namespaces, the kubernetes Service and its endpoints", async () => {
  await using server = await testApiServer({ endpoint: { address: "10.42.0.1", port: 6443 } });
  const names = (await server.list({ resource: "namespaces" })).map(({ metadata }) => metadata.name);
  deepEqual(names, ["default", "kube-node-lease", "kube-public", "kube-system"]);
  const service = await server.get<{ metadata: { name: string }; spec: { clusterIP: string } }>({
    resource: "services",
    namespace: "default",
    name: "kubernetes",
  });
  equal(service.spec.clusterIP, "10.43.0.1");
  const slice = await server.get<{ metadata: { name: string }; endpoints: { addresses: string[] }[] }>({
    resource: "endpointslices.discovery.k8s.io",
    namespace: "default",
    name: "kubernetes",
  });
  deepEqual(slice.endpoints[0]?.addresses, ["10.42.0.1"]);
});

Deno.test("a cluster that starts again writes nothing that is as it should be", async () => {
  const store = new MemoryStore();
  let revision: number;
  {
    await using server = await testApiServer({ store });
    revision = server.registry.cache.revision;
  }
  await using server = await testApiServer({ store });
  equal(server.registry.cache.revision, revision);
});

Deno.test("a bootstrap role that somebody has changed is put right at the next start", async () => {
  const store = new MemoryStore();
  const view = { resource: "clusterroles.rbac.authorization.k8s.io", name: "system:discovery" };
  {
    await using server = await testApiServer({ store });
    await server.patch(view, "merge", { rules: null });
  }
  await using server = await testApiServer({ store });
  const { rules } = await server.get<{ metadata: { name: string }; rules: object[] }>(view);
  ok(rules.length > 0);
});

Deno.test("what users have added to a bootstrap role or binding outlives a start", async () => {
  const store = new MemoryStore();
  const role = { resource: "clusterroles.rbac.authorization.k8s.io", name: "system:discovery" };
  const binding = { resource: "clusterrolebindings.rbac.authorization.k8s.io", name: "system:discovery" };
  const own = { verbs: ["get"], nonResourceURLs: ["/mine"] };
  const ann = { apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "ann" };
  {
    await using server = await testApiServer({ store });
    await server.patch(role, "merge", { rules: [own], metadata: { labels: { mine: "yes" } } });
    await server.patch(binding, "merge", { subjects: [ann] });
  }
  await using server = await testApiServer({ store });
  const { rules, metadata } = await server.get<Named & { rules: object[] }>(role);
  deepEqual([rules[0], rules.length > 1, metadata.labels?.mine], [own, true, "yes"]);
  const { subjects } = await server.get<Named & { subjects: { name: string }[] }>(binding);
  deepEqual(subjects.map(({ name }) => name), ["ann", "system:authenticated"]);
});

Deno.test("a bootstrap object that its users have claimed stays as they have it", async () => {
  const store = new MemoryStore();
  const role = { resource: "clusterroles.rbac.authorization.k8s.io", name: "view" };
  const claimed = { metadata: { annotations: { "rbac.authorization.kubernetes.io/autoupdate": "false" } } };
  {
    await using server = await testApiServer({ store });
    await server.patch(role, "merge", { ...claimed, aggregationRule: null, rules: [] });
  }
  await using server = await testApiServer({ store });
  equal((await server.get<Named & { aggregationRule?: object }>(role)).aggregationRule, undefined);
});

Deno.test("a bootstrap binding to another role is made anew", async () => {
  const store = new MemoryStore();
  const binding = { resource: "clusterrolebindings.rbac.authorization.k8s.io", name: "system:basic-user" };
  {
    await using server = await testApiServer({ store });
    await server.delete(binding);
    await server.create({ resource: binding.resource }, {
      metadata: { name: binding.name },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
    });
  }
  await using server = await testApiServer({ store });
  equal((await server.get<Named & { roleRef: { name: string } }>(binding)).roleRef.name, "system:basic-user");
});

Deno.test("all nodes together are never bound to what single ones may", async () => {
  const store = new MemoryStore();
  const binding = { resource: "clusterrolebindings.rbac.authorization.k8s.io", name: "system:node" };
  const nodes = { apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: "system:nodes" };
  {
    await using server = await testApiServer({ store });
    await server.patch(binding, "merge", { subjects: [nodes] });
  }
  await using server = await testApiServer({ store });
  deepEqual((await server.get<Named & { subjects?: object[] }>(binding)).subjects ?? [], []);
});

Deno.test("every rule of every bootstrap role can be read", () => {
  const { clusterroles, roles } = bootstrapRbac();
  for (const { rules } of [...clusterroles, ...roles]) for (const rule of rules ?? []) ok(rule.verbs.length > 0);
});

interface Named {
  metadata: { name: string; labels?: Record<string, string> };
}
