import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import type { Job, Pod } from "@k3ts/model/objects";
import { aJob, aPod } from "@k3ts/model/testing";
import { Simulation } from "./_simulation.ts";
import { planJob } from "./plan.ts";
import { indexOf, TRACKING } from "./pods.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const INDEXED = { completionMode: "Indexed", completions: 3, parallelism: 3 } as const;
const types = (job: Job) =>
  (job.status?.conditions ?? []).filter(({ status }) => status === "True").map(({ type }) => type);

Deno.test("a new Job makes its pods and says since when it runs", () => {
  const { actions, status } = planJob(aJob({ spec: { parallelism: 2, completions: 5 } }), [], NOW);
  deepEqual(actions, [{ do: "create", pod: {} }, { do: "create", pod: {} }]);
  deepEqual(status, {
    startTime: "2026-01-01T00:00:00Z",
    active: 2,
    ready: 0,
    terminating: 0,
    uncountedTerminatedPods: {},
  });
});

Deno.test("a pod that has succeeded is named, then let go and counted, and the Job is complete", () => {
  const world = new Simulation();
  world.plan();
  const [pod] = world.pods;
  world.end(pod, "Succeeded");
  deepEqual(world.plan().actions, []);
  deepEqual(world.job.status?.uncountedTerminatedPods, { succeeded: [pod!.metadata.uid] });
  deepEqual(types(world.job), ["SuccessCriteriaMet"]);
  ok(world.pods[0]!.metadata.finalizers!.length > 0, "held until it is named");
  deepEqual(world.plan().actions.map(({ do: what }) => what), ["free", "tell"]);
  const { succeeded, uncountedTerminatedPods, completionTime } = world.job.status!;
  deepEqual([succeeded, uncountedTerminatedPods, completionTime], [1, {}, "2026-01-01T00:00:00Z"]);
  deepEqual(types(world.job), ["SuccessCriteriaMet", "Complete"]);
  deepEqual(planJob(world.job, world.pods, NOW).actions, []);
});

Deno.test("a pod that has failed is replaced, later each time, until the limit", () => {
  const world = new Simulation({ backoffLimit: 2 });
  const delays: number[] = [];
  for (let round = 0; round < 3; round++) {
    world.plan();
    equal(world.active.length, 1);
    world.end(world.active[0], "Failed");
    world.plan();
    const { reconsiderAt } = world.plan();
    if (reconsiderAt === undefined) break;
    delays.push(reconsiderAt - world.now);
    equal(world.active.length, 0);
    world.now = reconsiderAt;
  }
  deepEqual(delays, [10_000, 20_000]);
  world.plan();
  deepEqual(types(world.job), ["FailureTarget", "Failed"]);
  deepEqual([world.job.status?.failed, world.condition("Failed")?.reason], [3, "BackoffLimitExceeded"]);
  equal(world.job.status?.completionTime, undefined);
});

Deno.test("when a Job fails its other pods end with it, and only then it has failed", () => {
  const world = new Simulation({ backoffLimit: 0, completions: 3, parallelism: 3 });
  world.plan();
  world.end(world.active[0], "Failed");
  world.plan();
  deepEqual(types(world.job), ["FailureTarget"]);
  equal(world.active.length, 2, "told before they are ended");
  world.plan();
  deepEqual([world.active.length, world.job.status?.active, world.job.status?.terminating], [0, undefined, 2]);
  world.plan();
  deepEqual(types(world.job), ["FailureTarget"], "two still leave");
  for (const pod of world.running) world.end(pod, "Failed");
  for (let round = 0; round < 3; round++) world.plan();
  deepEqual(types(world.job), ["FailureTarget", "Failed"]);
  equal(world.job.status?.failed, 3);
});

Deno.test("a Job that runs for too long fails", () => {
  const world = new Simulation({ activeDeadlineSeconds: 30 });
  equal(world.plan().reconsiderAt, NOW + 30_000);
  world.now += 30_000;
  world.plan();
  equal(world.condition("FailureTarget")?.reason, "DeadlineExceeded");
});

Deno.test("a suspended Job takes its pods away without blame, and starts anew when it goes on", () => {
  const world = new Simulation({ suspend: true, activeDeadlineSeconds: 60, parallelism: 2, completions: 2 });
  world.plan();
  deepEqual([world.pods.length, world.job.status?.startTime, world.condition("Suspended")?.status], [
    0,
    undefined,
    "True",
  ]);
  const suspend = (value: boolean) => world.job = { ...world.job, spec: { ...world.job.spec, suspend: value } };
  suspend(false);
  world.plan();
  deepEqual([world.active.length, world.condition("Suspended")?.status], [2, "False"]);
  suspend(true);
  world.plan();
  equal(world.active.length, 0);
  for (const pod of world.running) world.end(pod, "Failed");
  world.now += 3_600_000;
  suspend(false);
  world.plan();
  deepEqual([world.active.length, world.job.status?.failed], [2, undefined]);
  equal(world.job.status?.startTime, "2026-01-01T01:00:00Z");
  deepEqual(types(world.job), []);
});

Deno.test("each index of an Indexed Job has its pod, and is made again until it succeeds", () => {
  const world = new Simulation({ ...INDEXED, backoffLimit: 9 });
  world.plan();
  deepEqual(world.active.map(indexOf), [0, 1, 2]);
  world.end(world.active[0], "Succeeded");
  world.end(world.active.find((pod) => indexOf(pod) === 2), "Failed");
  world.plan();
  equal(world.job.status?.completedIndexes, "0");
  world.now += 10_000;
  world.plan();
  deepEqual(world.active.map(indexOf).sort(), [1, 2]);
  for (const pod of world.active) world.end(pod, "Succeeded");
  for (let round = 0; round < 3; round++) world.plan();
  deepEqual(types(world.job), ["SuccessCriteriaMet", "Complete"]);
  deepEqual([world.job.status?.completedIndexes, world.job.status?.succeeded, world.job.status?.failed], ["0-2", 3, 1]);
});

Deno.test("with a limit for each index, one that fails for good leaves the others alone", () => {
  const world = new Simulation({ ...INDEXED, backoffLimitPerIndex: 1, backoffLimit: 2 ** 31 - 1 });
  world.plan();
  const ofIndex = (index: number) => world.active.find((pod) => indexOf(pod) === index);
  world.end(ofIndex(1), "Failed");
  world.plan();
  const held = world.pods.find((pod) => indexOf(pod) === 1)!;
  ok(held.metadata.finalizers!.length > 0, "held until its replacement knows of it");
  world.now += 10_000;
  world.plan();
  equal(ofIndex(1)?.metadata.annotations?.["batch.kubernetes.io/job-index-failure-count"], "1");
  world.end(ofIndex(1), "Failed");
  world.end(ofIndex(0), "Succeeded");
  world.plan();
  world.plan();
  deepEqual([world.job.status?.failedIndexes, world.job.status?.completedIndexes, types(world.job)], ["1", "0", []]);
  world.end(ofIndex(2), "Succeeded");
  for (let round = 0; round < 3; round++) world.plan();
  deepEqual(types(world.job), ["FailureTarget", "Failed"]);
  equal(world.condition("Failed")?.reason, "FailedIndexes");
});

Deno.test("a rule for exit codes fails the Job, ignores the failure, or fails the index", () => {
  const rules = (action: "FailJob" | "Ignore" | "FailIndex") => ({
    podFailurePolicy: { rules: [{ action, onExitCodes: { operator: "In" as const, values: [1] } }] },
  });
  const failing = new Simulation(rules("FailJob"));
  failing.plan();
  failing.end(failing.active[0], "Failed");
  failing.plan();
  const message = "Container main for pod default/pod-0 failed with exit code 1 matching FailJob rule at index 0";
  deepEqual([failing.condition("FailureTarget")?.reason, failing.condition("FailureTarget")?.message], [
    "PodFailurePolicy",
    message,
  ]);
  const ignoring = new Simulation({ ...rules("Ignore"), backoffLimit: 0 });
  ignoring.plan();
  ignoring.end(ignoring.active[0], "Failed");
  ignoring.plan();
  ignoring.now += 10_000;
  ignoring.plan();
  deepEqual([types(ignoring.job), ignoring.job.status?.failed, ignoring.active.length], [[], undefined, 1]);
  const indexed = new Simulation({ ...INDEXED, ...rules("FailIndex"), backoffLimitPerIndex: 5, backoffLimit: 100 });
  indexed.plan();
  indexed.end(indexed.active[0], "Failed");
  indexed.plan();
  equal(indexed.job.status?.failedIndexes, "0");
});

Deno.test("what a success policy asks for is enough", () => {
  const world = new Simulation({
    ...INDEXED,
    successPolicy: { rules: [{ succeededIndexes: "1-2", succeededCount: 1 }] },
  });
  world.plan();
  world.end(world.active[0], "Succeeded");
  world.plan();
  deepEqual(types(world.job), []);
  world.end(world.active.find((pod) => indexOf(pod) === 2), "Succeeded");
  world.plan();
  equal(world.condition("SuccessCriteriaMet")?.message, "Matched rules at index 0");
  world.plan();
  for (const pod of world.running) world.end(pod, "Failed");
  for (let round = 0; round < 3; round++) world.plan();
  deepEqual(types(world.job), ["SuccessCriteriaMet", "Complete"]);
});

Deno.test("a pod that leaves is replaced at once, or only when it is gone, as the Job says", () => {
  for (const [podReplacementPolicy, replaced] of [["TerminatingOrFailed", 1], ["Failed", 0]] as const) {
    const world = new Simulation({ podReplacementPolicy });
    world.plan();
    world.delete(world.active[0]);
    world.now += 10_000;
    world.plan();
    equal(world.active.length, replaced, podReplacementPolicy);
  }
});

Deno.test("pods without a number of completions go on until the first success, and then none is made", () => {
  const world = new Simulation({ completions: undefined, parallelism: 3 });
  world.plan();
  equal(world.active.length, 3);
  world.end(world.active[0], "Succeeded");
  world.end(world.active[0], "Failed");
  world.now += 60_000;
  world.plan();
  deepEqual([world.active.length, types(world.job)], [1, []]);
  world.end(world.active[0], "Failed");
  for (let round = 0; round < 3; round++) world.plan();
  deepEqual(types(world.job), ["SuccessCriteriaMet", "Complete"]);
});

Deno.test("a Job that wants nothing is complete at once, and one that is over rests", () => {
  const world = new Simulation({ completions: 0 });
  for (let round = 0; round < 2; round++) world.plan();
  deepEqual(types(world.job), ["SuccessCriteriaMet", "Complete"]);
});

Deno.test("an orphan that matches is adopted, a pod that no longer matches is let go", () => {
  const job = aJob();
  const labels = job.spec.template.metadata!.labels!;
  const orphan = aPod({ owner: null, labels });
  const stray = aPod({ owner: { apiVersion: "batch/v1", kind: "Job", metadata: job.metadata }, labels: { a: "b" } });
  deepEqual(planJob(job, [orphan, stray], NOW).actions, [{ do: "adopt", pod: orphan }, { do: "release", pod: stray }]);
});

Deno.test("a Job of another manager is left alone, and one on its way out makes nothing and holds nothing", () => {
  deepEqual(planJob(aJob({ spec: { managedBy: "example.com/other" } }), [], NOW).actions, []);
  const job = aJob({ deleted: "2026-01-01T00:00:00Z" });
  const pod = aPod({
    ready: true,
    labels: job.spec.template.metadata!.labels!,
    owner: { apiVersion: "batch/v1", kind: "Job", metadata: job.metadata },
    finalizers: [TRACKING],
  });
  deepEqual(planJob(job, [pod], NOW).actions, [{ do: "free", pod }]);
});

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("plan" as const) }) },
  fc.record({ do: fc.constant("crash" as const), after: fc.nat(5) }),
  fc.record({ do: fc.constantFrom("succeed" as const, "fail" as const, "delete" as const), which: fc.nat(9) }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.nat(700_000) }),
);
const spec = fc.record({
  completions: fc.integer({ min: 1, max: 5 }),
  parallelism: fc.integer({ min: 1, max: 5 }),
  backoffLimit: fc.integer({ min: 0, max: 6 }),
  completionMode: fc.constantFrom("Indexed" as const, "NonIndexed" as const),
  podReplacementPolicy: fc.constantFrom("Failed" as const, "TerminatingOrFailed" as const),
  limited: fc.option(fc.nat(2), { nil: undefined }),
});

Deno.test("whatever happens and whoever is killed, every pod counts once, and none too many run", () => {
  fc.assert(
    fc.property(spec, fc.array(step, { maxLength: 60 }), ({ limited, ...spec }, steps) => {
      const perIndex = limited !== undefined && spec.completionMode === "Indexed";
      const world = new Simulation({
        ...spec,
        ...(perIndex && { backoffLimitPerIndex: limited, backoffLimit: 2 ** 31 - 1 }),
      });
      let told: string[] = [];
      for (const each of steps) {
        move(world, each);
        ok(world.active.length <= spec.parallelism, `${world.active.length} active`);
        ok(told.every((type) => types(world.job).includes(type)), "what was told stays");
        told = types(world.job);
        const { succeeded = 0, failed = 0 } = world.job.status ?? {};
        if (spec.completionMode === "NonIndexed") ok(succeeded <= world.ended.succeeded.size, `${succeeded} succeeded`);
        ok(failed <= everFailed(world), `${failed} of ${everFailed(world)} failed`);
      }
      settle(world);
      const { succeeded = 0, failed = 0 } = world.job.status ?? {};
      ok(world.pods.every(({ metadata }) => metadata.finalizers?.length === 0), "none is held for ever");
      if (world.condition("Complete")) ok(succeeded >= spec.completions, `${succeeded} of ${spec.completions}`);
      else if (!perIndex) ok(failed > spec.backoffLimit, `${failed} over ${spec.backoffLimit}`);
      if (spec.completionMode === "NonIndexed") equal(succeeded, world.ended.succeeded.size);
    }),
    { numRuns: 300 },
  );
});

const deleted = new WeakMap<Simulation, Set<string>>();

/** Pods that failed, or were deleted by somebody, which is as bad. */
function everFailed(world: Simulation): number {
  const leaving = world.pods.filter(({ metadata }) => metadata.deletionTimestamp !== undefined);
  const all = deleted.get(world) ?? new Set<string>();
  for (const { metadata } of leaving) all.add(metadata.uid);
  deleted.set(world, all);
  return new Set([...all, ...world.ended.failed]).size;
}

function move(world: Simulation, each: { do: string; which?: number; ms?: number; after?: number }): void {
  const pick = (pods: Pod[]) => pods[each.which! % Math.max(1, pods.length)];
  switch (each.do) {
    case "plan":
      return void world.plan();
    case "crash":
      return void world.plan(each.after);
    case "succeed":
      return world.end(pick(world.active), "Succeeded");
    case "fail":
      return world.end(pick(world.running), "Failed");
    case "delete":
      return world.delete(pick(world.active));
    case "wait":
      world.now += each.ms!;
  }
}

/** Everything that runs succeeds, until the Job is over and nothing moves. */
function settle(world: Simulation): void {
  for (let round = 0; round < 200; round++) {
    world.plan();
    everFailed(world);
    for (const pod of world.active) world.end(pod, world.isOver ? "Failed" : "Succeeded");
    for (const pod of world.running) world.end(pod, "Failed");
    world.now += 700_000;
    if (world.isOver && planJob(world.job, world.pods, world.now).actions.length === 0) return;
  }
  throw new Error(`The Job does not come to rest: ${JSON.stringify(world.job.status)}`);
}
