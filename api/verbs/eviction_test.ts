import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import fc from "fast-check";
import type { ApiObject, Pod, PodDisruptionBudget } from "@k3ts/model";
import { StatusError } from "../status.ts";
import { refusal } from "../testing/refusal.ts";
import { type CallTarget, type TestApiServer, testApiServer } from "../testing/test_api_server.ts";
import type { DeleteOptions } from "./request.ts";

const pods: CallTarget = { resource: "pods", namespace: "default" };
const budgets: CallTarget = { resource: "poddisruptionbudgets.policy", namespace: "default" };
type Status = Partial<NonNullable<PodDisruptionBudget["status"]>>;

Deno.test("a pod without a budget is told why it goes, and goes", async () => {
  await using server = await withPods("p");
  await evict(server, "p");
  const { metadata, status } = await server.get<Pod & ApiObject>({ ...pods, name: "p" });
  equal(metadata.deletionGracePeriodSeconds, 30);
  const condition = status?.conditions?.find(({ type }) => type === "DisruptionTarget");
  deepEqual([condition?.status, condition?.reason, condition?.message], [
    "True",
    "EvictionByEvictionAPI",
    "Eviction API: evicting",
  ]);
});

Deno.test("a budget lets as many go as it allows, and counts each", async () => {
  await using server = await withPods("p", "q");
  await withBudget(server, { desiredHealthy: 1, currentHealthy: 2, expectedPods: 2, disruptionsAllowed: 1 });
  await evict(server, "p");
  const { status } = await server.get<PodDisruptionBudget & ApiObject>({ ...budgets, name: "one" });
  deepEqual([status?.disruptionsAllowed, Object.keys(status?.disruptedPods ?? {})], [0, ["p"]]);
  deepEqual([status?.conditions?.[0]?.status, status?.conditions?.[0]?.reason], ["False", "InsufficientPods"]);
  const refused = await caught(evict(server, "q"));
  deepEqual(refused.status, {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: "Cannot evict pod as it would violate the pod's disruption budget.",
    reason: "TooManyRequests",
    details: {
      causes: [{
        reason: "DisruptionBudget",
        message: "The disruption budget one does not allow evicting pods currently",
      }],
    },
    code: 429,
  });
});

Deno.test("a budget that is not met says how many are missing, also to a dry run", async () => {
  await using server = await withPods("p");
  await withBudget(server, { desiredHealthy: 1, currentHealthy: 1, expectedPods: 1 });
  for (const options of [{}, { dryRun: ["All"] }]) {
    const { status } = await caught(evict(server, "p", options));
    equal(status.details?.causes?.[0]?.message, "The disruption budget one needs 1 healthy pods and has 1 currently");
  }
});

Deno.test("a budget whose controller could not count says why", async () => {
  await using server = await withPods("p");
  const conditions = [{
    type: "DisruptionAllowed",
    status: "False" as const,
    reason: "SyncFailed",
    message: "no owner",
    lastTransitionTime: "2026-01-01T00:00:00Z",
  }];
  await withBudget(server, { conditions });
  const { status } = await caught(evict(server, "p"));
  const why = "The disruption budget one does not allow evicting pods currently because it failed sync: no owner";
  equal(status.details?.causes?.[0]?.message, why);
});

Deno.test("a budget that its controller has not seen yet asks to come again", async () => {
  await using server = await withPods("p");
  await withBudget(server, { observedGeneration: 0, disruptionsAllowed: 5 });
  const { status } = await caught(evict(server, "p"));
  equal(status.details?.retryAfterSeconds, 10);
  const why = "The disruption budget one is still being processed by the server.";
  equal(status.details?.causes?.[0]?.message, why);
});

Deno.test("two budgets over one pod are more than an eviction can weigh", async () => {
  await using server = await withPods("p");
  await withBudget(server, {}, "one");
  await withBudget(server, {}, "two");
  const { status } = await caught(evict(server, "p"));
  deepEqual([status.code, status.reason], [500, undefined]);
});

Deno.test("a dry run changes neither pod nor budget", async () => {
  await using server = await withPods("p");
  const before = await withBudget(server, { currentHealthy: 2, desiredHealthy: 1, disruptionsAllowed: 1 });
  await evict(server, "p", { dryRun: ["All"] });
  deepEqual(await server.get({ ...budgets, name: "one" }), before);
  const { metadata, status } = await server.get<Pod & ApiObject>({ ...pods, name: "p" });
  equal(metadata.deletionTimestamp, undefined);
  ok(status?.conditions?.every(({ type }) => type !== "DisruptionTarget"));
});

Deno.test("what has not begun, has ended, or is on its way goes past any budget", async () => {
  for (const phase of ["Pending", "Succeeded", "Failed"] as const) {
    await using server = await withPods("p");
    await withBudget(server, { desiredHealthy: 1, currentHealthy: 1 });
    await setStatus(server, "p", { phase });
    await evict(server, "p");
  }
  await using server = await withPods("p");
  await withBudget(server, { desiredHealthy: 1, currentHealthy: 1 });
  await server.delete({ ...pods, name: "p" });
  await evict(server, "p");
});

Deno.test("an unhealthy pod goes while the others are enough, or where the budget says always", async () => {
  const outcomes: [Partial<PodDisruptionBudget["spec"]>, Status, boolean][] = [
    [{}, { desiredHealthy: 2, currentHealthy: 2 }, true],
    [{}, { desiredHealthy: 2, currentHealthy: 1 }, false],
    [{}, { desiredHealthy: 0, currentHealthy: 0 }, false],
    [{ unhealthyPodEvictionPolicy: "IfHealthyBudget" }, { desiredHealthy: 2, currentHealthy: 1 }, false],
    [{ unhealthyPodEvictionPolicy: "AlwaysAllow" }, { desiredHealthy: 2, currentHealthy: 1 }, true],
  ];
  for (const [spec, status, goes] of outcomes) {
    await using server = await withPods("p");
    await withBudget(server, { ...status, disruptionsAllowed: 0 }, "one", spec);
    await setStatus(server, "p", { phase: "Running", conditions: [{ type: "Ready", status: "False" }] });
    if (goes) await evict(server, "p");
    else await rejects(evict(server, "p"), refusal(429));
    const { status: after } = await server.get<PodDisruptionBudget & ApiObject>({ ...budgets, name: "one" });
    deepEqual(after?.disruptedPods ?? {}, {}, "nobody counted on it");
  }
});

Deno.test("an eviction that is meant for another pod of the name is refused", async () => {
  await using server = await withPods("p");
  await rejects(
    evict(server, "p", { preconditions: { uid: "other" } }),
    refusal(409, /the UID in the precondition \(other\) does not match/),
  );
  await rejects(
    evict(server, "p", { preconditions: { resourceVersion: "1" } }),
    refusal(409, /the ResourceVersion in the precondition \(1\) does not match/),
  );
  const { metadata } = await server.get({ ...pods, name: "p" });
  await evict(server, "p", { preconditions: { uid: metadata.uid!, resourceVersion: metadata.resourceVersion! } });
});

Deno.test("however many ask at once, no more go than the budget allows", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 6 }), fc.nat(6), async (many, allowed) => {
      const names = Array.from({ length: many }, (_, index) => `p${index}`);
      await using server = await withPods(...names);
      await withBudget(server, {
        currentHealthy: many,
        desiredHealthy: Math.max(0, many - allowed),
        disruptionsAllowed: allowed,
      });
      const results = await Promise.allSettled(names.map((name) => evict(server, name)));
      equal(results.filter(({ status }) => status === "fulfilled").length, Math.min(many, allowed));
      const all = await server.list(pods);
      equal(all.filter(({ metadata }) => metadata.deletionTimestamp !== undefined).length, Math.min(many, allowed));
    }),
    { numRuns: 20 },
  );
});

/** Ready, on a node. */
async function withPods(...names: string[]): Promise<TestApiServer> {
  const server = await testApiServer();
  await server.create({ resource: "serviceaccounts", namespace: "default" }, { metadata: { name: "default" } });
  for (const name of names) {
    const spec = { nodeName: "n1", containers: [{ name: "c", image: "i" }] };
    await server.create(pods, { metadata: { name, labels: { app: "a" } }, spec });
    await setStatus(server, name, { phase: "Running", conditions: [{ type: "Ready", status: "True" }] });
  }
  return server;
}

function setStatus(server: TestApiServer, name: string, status: object): Promise<ApiObject> {
  return server.patch({ ...pods, name, subresource: "status" }, "merge", { status });
}

async function withBudget(server: TestApiServer, status: Status, name = "one", spec: object = {}): Promise<ApiObject> {
  const object = { metadata: { name }, spec: { minAvailable: 1, selector: { matchLabels: { app: "a" } }, ...spec } };
  await server.create(budgets, object);
  const target = { ...budgets, name, subresource: "status" };
  return await server.patch(target, "merge", { status: { observedGeneration: 1, ...status } });
}

function evict(server: TestApiServer, name: string, deleteOptions: DeleteOptions = {}): Promise<ApiObject> {
  return server.create({ ...pods, name, subresource: "eviction" }, { metadata: { name }, deleteOptions });
}

async function caught(promise: Promise<unknown>): Promise<StatusError> {
  const error = await promise.then(() => undefined, (error: unknown) => error);
  ok(error instanceof StatusError, String(error));
  return error;
}
