import { deepEqual, equal } from "node:assert/strict";
import { type ClusterRole, resources } from "@k3ts/model/objects";
import clusterRoles from "../controllers/cluster_roles/mod.ts";
import { runControllers, testCluster } from "../testing/mod.ts";

Deno.test("the role view shows the rules of a role that is labelled for it, as long as it is", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, [clusterRoles]);
  const roles = cluster.clients.of<ClusterRole>(resources.clusterroles);
  const before = (await roles.get("view")).metadata.resourceVersion;
  const rules = [{ verbs: ["get"], apiGroups: ["example.com"], resources: ["things"] }];
  const labels = { "rbac.authorization.k8s.io/aggregate-to-view": "true" };
  await roles.create({ metadata: { name: "things", labels }, rules });
  const shown = (names: string[]) => (all: readonly ClusterRole[]) =>
    ["view", "edit", "admin"].filter((name) =>
      all.find(({ metadata }) => metadata.name === name)?.rules?.some(({ resources }) => resources?.includes("things"))
    ).join() === names.join();
  // By way of each other.
  await cluster.untilAll<ClusterRole>(resources.clusterroles, "", shown(["view", "edit", "admin"]));
  await roles.patch("things", { type: "merge", patch: { metadata: { labels: null } } });
  await cluster.untilAll<ClusterRole>(resources.clusterroles, "", shown([]));
  deepEqual(running.failures, []);
  // A cluster begins with what the controller would write.
  await using fresh = await testCluster();
  await using _idle = await runControllers(fresh, [clusterRoles]);
  equal((await fresh.clients.of<ClusterRole>(resources.clusterroles).get("view")).metadata.resourceVersion, before);
});
