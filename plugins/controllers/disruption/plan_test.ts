import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { formatTime, isReady, type Pod, type PodDisruptionBudget } from "@k3ts/model/objects";
import { aDeployment, aDisruptionBudget, aPod, aReplicaSet } from "@k3ts/model/testing";
import { planBudget } from "./plan.ts";
import { planStale } from "./stale.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const OWNERS = { sets: [aReplicaSet({ replicas: 2 })], deployments: [aDeployment({ replicas: 10 })] };
const budgetOf = (spec: Partial<PodDisruptionBudget["spec"]>, status = {}) =>
  aDisruptionBudget({ spec: { selector: { matchLabels: { app: "demo" } }, ...spec }, status });
const pods = (ready: number, unready = 0) => [
  ...Array.from({ length: ready }, () => aPod({ ready: true, node: "n1" })),
  ...Array.from({ length: unready }, () => aPod({ ready: false, node: "n1" })),
];
const numbers = (budget: PodDisruptionBudget, all: Pod[]) => {
  const { expectedPods, desiredHealthy, currentHealthy, disruptionsAllowed } =
    planBudget(budget, all, OWNERS, NOW).status;
  return [expectedPods, desiredHealthy, currentHealthy, disruptionsAllowed];
};

Deno.test("a number that must stay is counted against the pods that there are", () => {
  deepEqual(numbers(budgetOf({ minAvailable: 2 }), pods(3)), [3, 2, 3, 1]);
  deepEqual(numbers(budgetOf({ minAvailable: 2 }), pods(1, 2)), [3, 2, 1, 0]);
});

Deno.test("shares are of what the Deployment wants, rounded in favour of staying", () => {
  deepEqual(numbers(budgetOf({ minAvailable: "25%" }), pods(4)), [10, 3, 4, 1]);
  deepEqual(numbers(budgetOf({ maxUnavailable: "25%" }), pods(10)), [10, 7, 10, 3]);
  deepEqual(numbers(budgetOf({ maxUnavailable: 1 }), pods(10)), [10, 9, 10, 1]);
  deepEqual(numbers(budgetOf({ maxUnavailable: 99 }), pods(1)), [10, 0, 1, 1]);
});

Deno.test("a ReplicaSet of its own counts for itself", () => {
  const set = aReplicaSet({ replicas: 4, owner: null });
  const { status } = planBudget(budgetOf({ maxUnavailable: 1 }), pods(4), { sets: [set], deployments: [] }, NOW);
  deepEqual([status.expectedPods, status.desiredHealthy], [4, 3]);
});

Deno.test("a budget without pods allows nothing and says so", () => {
  const { status, told } = planBudget(budgetOf({ minAvailable: 0 }), [], OWNERS, NOW);
  deepEqual([status.disruptionsAllowed, told.map(({ reason }) => reason)], [0, ["NoPods"]]);
});

Deno.test("owners that are gone or have no number of replicas forbid every eviction", () => {
  const budget = budgetOf({ maxUnavailable: 1 }, { disruptionsAllowed: 5 });
  const gone = planBudget(budget, pods(1), { sets: [], deployments: [] }, NOW);
  equal(gone.status.disruptionsAllowed, 0);
  const [condition] = gone.status.conditions!;
  deepEqual([condition!.status, condition!.reason], ["False", "SyncFailed"]);
  ok(/^found no controllers for pod/.test(condition!.message));
  const ofJob = aPod({
    ready: true,
    owner: { apiVersion: "batch/v1", kind: "Job", metadata: { name: "j", uid: "u" } },
  });
  const { status, told } = planBudget(budget, [ofJob], OWNERS, NOW);
  equal(status.conditions![0]!.message, "jobs.batch does not implement the scale subresource");
  equal(told[0]?.reason, "CalculateExpectedPodCountFailed");
});

Deno.test("pods that nobody owns are told of, and count where the budget is a number", () => {
  const lonely = aPod({ ready: true, owner: null });
  const { status, told } = planBudget(budgetOf({ maxUnavailable: 1 }), [lonely], OWNERS, NOW);
  deepEqual([status.expectedPods, told.map(({ reason }) => reason)], [0, ["UnmanagedPods"]]);
  deepEqual(numbers(budgetOf({ minAvailable: 0 }), [lonely]), [1, 0, 1, 1]);
});

Deno.test("a pod whose eviction was let through does not count until it is seen leaving, or for two minutes", () => {
  const [one, other] = pods(2) as [Pod, Pod];
  const since = formatTime(NOW - 60_000);
  const budget = budgetOf({ minAvailable: 1 }, { disruptedPods: { [one.metadata.name]: since, gone: since } });
  const { status, reconsiderAt } = planBudget(budget, [one, other], OWNERS, NOW);
  deepEqual([status.currentHealthy, status.disruptionsAllowed, status.disruptedPods], [1, 0, {
    [one.metadata.name]: since,
  }]);
  equal(reconsiderAt, NOW + 60_000);
  const late = planBudget(budget, [one, other], OWNERS, NOW + 60_000);
  deepEqual([late.status.currentHealthy, late.status.disruptedPods], [2, undefined]);
  deepEqual(late.told.map(({ reason, about }) => [reason, about?.metadata.name]), [["NotDeleted", one.metadata.name]]);
  const leaving = { ...one, metadata: { ...one.metadata, deletionTimestamp: since } };
  const after = planBudget(budget, [leaving, other], OWNERS, NOW).status;
  deepEqual([after.currentHealthy, after.disruptedPods], [1, undefined]);
});

Deno.test("what is allowed, taken away, always leaves as many as are wanted", () => {
  const amount = fc.oneof(fc.nat(12), fc.nat(100).map((percent) => `${percent}%`));
  const spec = fc.oneof(
    amount.map((minAvailable) => ({ minAvailable })),
    amount.map((maxUnavailable) => ({ maxUnavailable })),
  );
  fc.assert(fc.property(spec, fc.nat(12), fc.nat(4), (spec, ready, unready) => {
    const all = pods(ready, unready);
    const { status } = planBudget(budgetOf(spec), all, OWNERS, NOW);
    const left = all.filter(isReady).length - status.disruptionsAllowed;
    ok(status.disruptionsAllowed === 0 || left >= status.desiredHealthy);
    equal(status.conditions?.[0]?.status, status.disruptionsAllowed > 0 ? "True" : "False");
    deepEqual(planBudget({ ...budgetOf(spec), status }, all, OWNERS, NOW).status, status, "it rests");
  }));
});

Deno.test("a pod that was to be evicted and was not says so no more after two minutes", () => {
  const pod = aPod({ ready: true });
  const target = { type: "DisruptionTarget", status: "True" as const, reason: "EvictionByEvictionAPI", message: "m" };
  const conditions = [...pod.status!.conditions!, { ...target, lastTransitionTime: formatTime(NOW) }];
  const marked = { ...pod, status: { ...pod.status, conditions } };
  deepEqual(planStale(marked, NOW), { actions: [], reconsiderAt: NOW + 120_000 });
  const { status } = planStale(marked, NOW + 120_000) as { status: Pod["status"] };
  deepEqual(status?.conditions?.at(-1), {
    type: "DisruptionTarget",
    status: "False",
    lastTransitionTime: formatTime(NOW + 120_000),
  });
});
