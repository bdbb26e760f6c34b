import { deepEqual as assertEquals, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import type { Pod } from "@k3ts/model/objects";
import { type DrainOptions, planDrain } from "./plan.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const DAEMON_SETS = new Set(["kube-system/logs"]);
const owner = (kind: string, name: string) => [{ apiVersion: "apps/v1", kind, name, uid: "u", controller: true }];
const pod = (name: string, more: { metadata?: object; spec?: object; phase?: string } = {}) =>
  ({
    metadata: { name, namespace: "kube-system", ownerReferences: owner("ReplicaSet", "web"), ...more.metadata },
    spec: { containers: [], ...more.spec },
    status: { phase: more.phase ?? "Running" },
  }) as unknown as Pod;
const replicated = pod("replicated");
const ofDaemon = pod("daemon", { metadata: { ownerReferences: owner("DaemonSet", "logs") } });
const ofLostDaemon = pod("lost", { metadata: { ownerReferences: owner("DaemonSet", "gone") } });
const mirror = pod("mirror", {
  metadata: { ownerReferences: [], annotations: { "kubernetes.io/config.mirror": "x" } },
});
const bare = pod("bare", { metadata: { ownerReferences: [] } });
const finished = pod("finished", { metadata: { ownerReferences: [] }, phase: "Succeeded" });
const storing = pod("storing", { spec: { volumes: [{ name: "v", emptyDir: {} }] } });
const ending = pod("ending", { metadata: { deletionTimestamp: "2025-12-31T23:59:00Z" } });

const options = (more: Partial<DrainOptions> = {}): DrainOptions => ({
  ignoreDaemonSets: false,
  deleteEmptyDirData: false,
  force: false,
  skipWaitForDeleteSeconds: 0,
  ...more,
});
const plan = (pods: Pod[], more: Partial<DrainOptions> = {}) => {
  const { leave, warnings, problems } = planDrain(pods, DAEMON_SETS, options(more), NOW);
  return { leave: leave.map(({ metadata }) => metadata.name), warnings, problems };
};

Deno.test("what comes back elsewhere, and what has finished, leaves", () => {
  assertEquals(plan([replicated, finished]), { leave: ["replicated", "finished"], warnings: [], problems: [] });
});

Deno.test("pods of a node's own files stay", () => {
  assertEquals(plan([mirror]), { leave: [], warnings: [], problems: [] });
});

Deno.test("pods of a daemon set stand in the way until they are to be ignored", () => {
  equal(
    plan([ofDaemon]).problems[0],
    "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): kube-system/daemon",
  );
  const ignored = plan([ofDaemon, replicated], { ignoreDaemonSets: true });
  assertEquals(ignored, {
    leave: ["replicated"],
    warnings: ["ignoring DaemonSet-managed Pods: kube-system/daemon"],
    problems: [],
  });
  equal(plan([ofLostDaemon], { ignoreDaemonSets: true }).problems.length, 1);
  assertEquals(plan([ofLostDaemon], { force: true }).leave, ["lost"]);
});

Deno.test("what would be lost needs a word, and is told of in one line of a kind", () => {
  assertEquals(plan([bare, storing, pod("bare2", { metadata: { ownerReferences: [] } })]).problems, [
    "cannot delete Pods that declare no controller (use --force to override): kube-system/bare, kube-system/bare2",
    "cannot delete Pods with local storage (use --delete-emptydir-data to override): kube-system/storing",
  ]);
  assertEquals(plan([bare, storing], { force: true, deleteEmptyDirData: true }), {
    leave: ["bare", "storing"],
    warnings: [
      "deleting Pods that declare no controller: kube-system/bare",
      "deleting Pods with local storage: kube-system/storing",
    ],
    problems: [],
  });
});

Deno.test("pods that have been ending for long are not waited for when that is wished", () => {
  assertEquals(plan([ending]).leave, ["ending"]);
  assertEquals(plan([ending], { skipWaitForDeleteSeconds: 59 }).leave, []);
  assertEquals(plan([ending], { skipWaitForDeleteSeconds: 61 }).leave, ["ending"]);
});

Deno.test("every pod leaves, stays or stands in the way; more permission never keeps a pod that left", () => {
  const all = [replicated, ofDaemon, ofLostDaemon, mirror, bare, finished, storing, ending];
  fc.assert(
    fc.property(fc.subarray(all), fc.boolean(), fc.boolean(), fc.boolean(), (pods, ignore, data, force) => {
      const some = plan(pods, { ignoreDaemonSets: ignore, deleteEmptyDirData: data, force });
      const most = plan(pods, { ignoreDaemonSets: true, deleteEmptyDirData: true, force: true });
      ok(some.leave.every((name) => most.leave.includes(name)));
      equal(most.problems.length, 0);
      ok(!some.leave.includes("mirror") && !some.leave.includes("daemon"));
    }),
  );
});
