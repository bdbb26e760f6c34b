import { deepEqual, equal, ok } from "node:assert/strict";
import { MemoryStore } from "../store/memory.ts";
import { testApiServer } from "../testing/test_api_server.ts";
import { BOOTSTRAP_ROLES } from "./role_table.ts";
import { parseRule } from "./roles.ts";

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

Deno.test("every rule of every bootstrap role can be read", () => {
  for (const { rules } of Object.values(BOOTSTRAP_ROLES)) {
    for (const rule of rules.map(parseRule)) ok(rule.verbs.length > 0);
  }
});
