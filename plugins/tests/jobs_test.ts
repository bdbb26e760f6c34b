import { deepEqual, equal, ok } from "node:assert/strict";
import { FakeClock } from "@k3ts/model/testing";
import {
  type CronJob,
  isConditionTrue,
  type Job,
  type JobSpec,
  type Namespace,
  type Pod,
  resources,
} from "@k3ts/model/objects";
import { fakeKubelet, runControllers, type TestCluster, testCluster } from "../testing/mod.ts";
import { ALL } from "./_web.ts";

const target = { namespace: "default", name: "sum" };

Deno.test("an Indexed Job runs to its end, and goes some time after", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  await using _kubelet = await fakeKubelet(cluster, { fate: () => "succeeded" });
  await createJob(cluster, { completionMode: "Indexed", completions: 7, parallelism: 3, ttlSecondsAfterFinished: 1 });
  const over = await cluster.until<Job>(resources.jobs, target, isComplete);
  deepEqual([over.status?.completedIndexes, over.status?.succeeded, over.status?.active], ["0-6", 7, undefined]);
  deepEqual(over.status?.conditions?.map(({ type }) => type), ["SuccessCriteriaMet", "Complete"]);
  const { items } = await cluster.clients.of<Pod>(resources.pods).list({ namespace: "default" });
  ok(items.every(({ metadata }) => !metadata.finalizers?.length), "counted pods are let go");
  await cluster.until<Job>(resources.jobs, target, (job) => job === undefined);
  await cluster.untilAll<Pod>(resources.pods, "default", (all) => all.length === 0);
  deepEqual(running.failures, []);
});

Deno.test("a Job whose pods fail has failed, and its pods stay to be looked at", async () => {
  await using cluster = await testCluster();
  await using running = await runControllers(cluster, ALL);
  await using _kubelet = await fakeKubelet(cluster, { fate: () => "failed" });
  await createJob(cluster, { backoffLimit: 0 });
  const over = await cluster.until<Job>(
    resources.jobs,
    target,
    (job) => isConditionTrue(job?.status?.conditions, "Failed"),
  );
  deepEqual([over.status?.failed, over.status?.uncountedTerminatedPods], [1, {}]);
  const { items } = await cluster.clients.of<Pod>(resources.pods).list({ namespace: "default" });
  deepEqual(items.map(({ status }) => status?.phase), ["Failed"]);
  deepEqual(running.failures, []);
});

Deno.test("a Job goes on in the middle where other controllers take over", async () => {
  await using cluster = await testCluster();
  let mayEnd = false;
  await using kubelet = await fakeKubelet(cluster, { fate: () => mayEnd ? "succeeded" : "ready" });
  {
    await using _running = await runControllers(cluster, ALL);
    await createJob(cluster, { completions: 4, parallelism: 4 });
    await cluster.until<Job>(resources.jobs, target, (job) => job?.status?.ready === 4);
  }
  mayEnd = true;
  kubelet.refresh();
  await cluster.untilAll<Pod>(
    resources.pods,
    "default",
    (all) => all.every(({ status }) => status?.phase === "Succeeded"),
  );
  await using running = await runControllers(cluster, ALL);
  const over = await cluster.until<Job>(resources.jobs, target, isComplete);
  equal(over.status?.succeeded, 4);
  deepEqual(running.failures, []);
});

Deno.test("with a Job that is deleted go its pods, held by finalizers as they are; orphaned ones are let go", async () => {
  for (const propagationPolicy of ["Background", "Foreground", "Orphan"] as const) {
    await using cluster = await testCluster();
    await using running = await runControllers(cluster, ALL);
    await using _kubelet = await fakeKubelet(cluster);
    await createJob(cluster, { parallelism: 2, completions: 2 });
    await cluster.until<Job>(resources.jobs, target, (job) => job?.status?.ready === 2);
    await cluster.clients.of(resources.jobs).delete("sum", { namespace: "default", propagationPolicy });
    await cluster.until<Job>(resources.jobs, target, (job) => job === undefined);
    await cluster.untilAll<Pod>(
      resources.pods,
      "default",
      (all) =>
        propagationPolicy === "Orphan"
          ? all.length === 2 && all.every(({ metadata }) => !metadata.finalizers?.length)
          : all.length === 0,
    );
    deepEqual(running.failures, [], propagationPolicy);
  }
});

Deno.test("a namespace goes with a Job that keeps a failed pod until it is replaced, which it cannot be there", async () => {
  await using cluster = await testCluster();
  await using _running = await runControllers(cluster, ALL);
  await using _kubelet = await fakeKubelet(cluster, { fate: () => "failed" });
  const namespaces = cluster.clients.of<Namespace>(resources.namespaces);
  await namespaces.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "a" }, spec: {} });
  await cluster.until(resources.serviceaccounts, { namespace: "a", name: "default" }, Boolean);
  const perIndex = { completionMode: "Indexed", completions: 1, backoffLimitPerIndex: 5 } as const;
  await createJob(cluster, perIndex, "a");
  await cluster.untilAll<Pod>(
    resources.pods,
    "a",
    (all) => all.some(({ status, metadata }) => status?.phase === "Failed" && metadata.finalizers?.length === 1),
  );
  await namespaces.delete("a");
  await cluster.until(resources.namespaces, { name: "a" }, (object) => object === undefined);
});

Deno.test("a CronJob makes a Job when the time has come, keeps as many as it should, and takes them along", async () => {
  const clock = new FakeClock();
  await using cluster = await testCluster({ clock });
  await using running = await runControllers(cluster, ALL);
  await using _kubelet = await fakeKubelet(cluster, { fate: () => "succeeded" });
  const template = { spec: { containers: [{ name: "main", image: "sum:1" }], restartPolicy: "Never" as const } };
  await cluster.clients.of<CronJob>(resources.cronjobs).create({
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: { name: "tick", namespace: "default" },
    spec: { schedule: "* * * * *", successfulJobsHistoryLimit: 2, jobTemplate: { spec: { template } } },
  });
  const minute = Math.floor(clock.wall() / 60_000);
  for (let passed = 1; passed <= 4; passed++) {
    clock.advance(60_200);
    await cluster.until<Job>(resources.jobs, { namespace: "default", name: `tick-${minute + passed}` }, isComplete);
  }
  await cluster.untilAll<Job>(resources.jobs, "default", (jobs) => jobs.length === 2);
  const tick = { namespace: "default", name: "tick" };
  const rested = await cluster.until<CronJob>(
    resources.cronjobs,
    tick,
    (cronJob) => cronJob?.status?.active === undefined,
  );
  ok(rested.status?.lastSuccessfulTime !== undefined);
  await cluster.clients.of(resources.cronjobs).delete("tick", { namespace: "default" });
  await cluster.untilAll(resources.jobs, "default", (jobs) => jobs.length === 0);
  await cluster.untilAll(resources.pods, "default", (pods) => pods.length === 0);
  deepEqual(running.failures, []);
});

function createJob({ clients }: TestCluster, spec: Partial<JobSpec>, namespace = "default"): Promise<Job> {
  return clients.of<Job>(resources.jobs).create({
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { ...target, namespace },
    spec: { ...spec, template: { spec: { containers: [{ name: "main", image: "sum:1" }], restartPolicy: "Never" } } },
  });
}

function isComplete(job: Job | undefined): boolean {
  return isConditionTrue(job?.status?.conditions, "Complete");
}
