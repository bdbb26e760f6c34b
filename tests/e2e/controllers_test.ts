/** Deployments, Jobs, DaemonSets and disruption budgets as a user of unmodified kubectl meets them, on one cluster. */
import { deepEqual as assertEquals, equal, match, ok as assert } from "node:assert/strict";
import { eventually, TestCluster } from "./cluster.ts";

const IMAGE = "busybox:1.37";
const FOR_EVER = "trap 'exit 0' TERM; while true; do sleep 1; done";

Deno.test("kubectl rolls, undoes, pauses, drains, and runs Jobs and DaemonSets", async (t) => {
  await using cluster = await TestCluster.start("--demo");
  await cluster.says("Hello from k3ts");
  const kubectl = (...words: string[]) => cluster.kubectl(...words);
  const tryKubectl = (...words: string[]) => cluster.run([cluster.kubectlPath, ...words]);
  const apply = async (...objects: object[]) => {
    const input = objects.map((object) => JSON.stringify(object)).join("\n---\n");
    const { code, stdout, stderr } = await cluster.run([cluster.kubectlPath, "apply", "-f", "-"], { input });
    equal(code, 0, stdout + stderr);
  };
  const read = async (...words: string[]) => JSON.parse(await kubectl("get", ...words, "-o", "json"));

  await t.step("a Deployment is rolled out, its history told, and undone to a revision", async () => {
    await apply(deployment("web", 3));
    match(await kubectl("rollout", "status", "deploy/web", "--timeout=90s"), /successfully rolled out/);
    for (const step of ["two", "three"]) {
      await kubectl("set", "env", "deploy/web", `STEP=${step}`);
      await kubectl("rollout", "status", "deploy/web", "--timeout=90s");
      await kubectl("annotate", "deploy/web", `kubernetes.io/change-cause=step ${step}`, "--overwrite");
      await kubectl("rollout", "status", "deploy/web", "--timeout=90s");
    }
    await eventually(async () =>
      match(await kubectl("rollout", "history", "deploy/web"), /\n1 +<none>\n2 +step two\n3 +step three\n/)
    );
    match(await kubectl("rollout", "history", "deploy/web", "--revision=2"), /STEP:\s+two/);
    match(await kubectl("rollout", "undo", "deploy/web", "--to-revision=1"), /rolled back/);
    await kubectl("rollout", "status", "deploy/web", "--timeout=90s");
    const { metadata, spec, status } = await read("deploy", "web");
    assertEquals([metadata.annotations["deployment.kubernetes.io/revision"], spec.template.spec.containers[0].env], [
      "4",
      undefined,
    ]);
    assertEquals(
      status.conditions.map(({ type, reason }: Condition) => [type, reason]).sort(),
      [["Available", "MinimumReplicasAvailable"], ["Progressing", "NewReplicaSetAvailable"]],
    );
    match(await kubectl("rollout", "undo", "deploy/web"), /rolled back/);
    await kubectl("rollout", "status", "deploy/web", "--timeout=90s");
    equal((await read("deploy", "web")).spec.template.spec.containers[0].env[0].value, "three");
    match(await kubectl("get", "deploy", "web"), /NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +3\/3 +3 +3 /);
  });

  await t.step("paused it rolls nothing but scales; resumed it rolls; restart replaces every pod", async () => {
    await kubectl("rollout", "pause", "deploy/web");
    await kubectl("set", "env", "deploy/web", "STEP=paused");
    await kubectl("scale", "deploy/web", "--replicas=4");
    await kubectl("wait", "deploy/web", "--for=jsonpath={.status.availableReplicas}=4", "--timeout=60s");
    equal((await read("deploy", "web")).status.updatedReplicas, undefined);
    await kubectl("rollout", "resume", "deploy/web");
    await kubectl("rollout", "status", "deploy/web", "--timeout=90s");
    const before = await podNames(cluster, "web");
    await kubectl("rollout", "restart", "deploy/web");
    await kubectl("rollout", "status", "deploy/web", "--timeout=90s");
    await eventually(async () => {
      const after = await podNames(cluster, "web");
      assertEquals([after.length, after.filter((name) => before.includes(name))], [4, []]);
    }, 60);
  });

  await t.step("a rollout that does not get there is said to have failed, and keeps what serves", async () => {
    await kubectl("patch", "deploy/web", "-p", '{"spec":{"progressDeadlineSeconds":5}}');
    await kubectl("set", "image", "deploy/web", "main=does-not-exist.invalid/image:1");
    const { code, stderr } = await tryKubectl("rollout", "status", "deploy/web", "--timeout=60s");
    equal(code, 1);
    match(stderr, /deployment "web" exceeded its progress deadline/);
    const { status } = await read("deploy", "web");
    assert(status.availableReplicas >= 3, JSON.stringify(status));
    await kubectl("rollout", "undo", "deploy/web");
    await kubectl("rollout", "status", "deploy/web", "--timeout=90s");
  });

  await t.step("drain waits for a budget that allows nothing, and goes on when it allows", async () => {
    await apply({
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: { name: "web" },
      spec: { maxUnavailable: 0, selector: { matchLabels: { app: "web" } } },
    }, daemonSet("daemon"));
    await kubectl("rollout", "status", "ds/daemon", "--timeout=60s");
    await kubectl("wait", "pdb/web", "--for=jsonpath={.status.currentHealthy}=4", "--timeout=30s");
    match(
      await kubectl("get", "pdb"),
      /NAME +MIN AVAILABLE +MAX UNAVAILABLE +ALLOWED DISRUPTIONS +AGE\nweb +N\/A +0 +0 /,
    );
    const before = await podNames(cluster, "web");
    const drain = ["drain", "n1", "--ignore-daemonsets", "--delete-emptydir-data"];
    const refused = await tryKubectl(...drain, "--timeout=7s");
    equal(refused.code, 1);
    match(refused.stderr + refused.stdout, /Cannot evict pod as it would violate the pod's disruption budget/);
    assertEquals(await podNames(cluster, "web"), before, "none was evicted");
    // Nothing can take an evicted pod's place while the node is closed, so the budget lets go of all.
    await kubectl("patch", "pdb/web", "--type=merge", "-p", '{"spec":{"maxUnavailable":"100%"}}');
    await kubectl("wait", "pdb/web", "--for=jsonpath={.status.disruptionsAllowed}=4", "--timeout=30s");
    match(await kubectl(...drain, "--timeout=120s"), /node\/n1 drained/);
    equal((await read("pods", "-l", "app=daemon")).items[0].status.phase, "Running", "daemons stay");
    await kubectl("uncordon", "n1");
    await kubectl("rollout", "status", "deploy/web", "--timeout=90s");
  });

  await t.step("a Job runs each of its indexes to the end, and can be waited for", async () => {
    await apply(
      job("sum", { completionMode: "Indexed", completions: 3, parallelism: 2 }, "echo I am $JOB_COMPLETION_INDEX"),
    );
    match(await kubectl("wait", "job/sum", "--for=condition=complete", "--timeout=60s"), /condition met/);
    match(await kubectl("get", "jobs"), /NAME +STATUS +COMPLETIONS +DURATION +AGE\nsum +Complete +3\/3 +\d+s /);
    const { status } = await read("job", "sum");
    assertEquals([status.completedIndexes, status.conditions.map(({ type }: Condition) => type)], [
      "0-2",
      ["SuccessCriteriaMet", "Complete"],
    ]);
    match(await kubectl("logs", "-l", "batch.kubernetes.io/job-completion-index=2"), /^I am 2$/m);
    await kubectl("delete", "job", "sum");
    await eventually(async () => assertEquals(await podNames(cluster, "sum", "job-name"), []), 60);
  });

  await t.step("a Job that fails says why, one that is suspended waits, one with a time to live goes", async () => {
    await apply(job("bad", { backoffLimit: 0, ttlSecondsAfterFinished: 3 }, "exit 3"));
    await kubectl("wait", "job/bad", "--for=condition=failed", "--timeout=60s");
    equal((await read("job", "bad")).status.conditions.at(-1).reason, "BackoffLimitExceeded");
    await kubectl("wait", "job/bad", "--for=delete", "--timeout=60s");
    await apply(job("long", { parallelism: 2, completions: 2 }, FOR_EVER));
    await kubectl("wait", "job/long", "--for=jsonpath={.status.ready}=2", "--timeout=60s");
    await kubectl("patch", "job/long", "-p", '{"spec":{"suspend":true}}');
    await eventually(async () => assertEquals(await podNames(cluster, "long", "job-name"), []), 60);
    match(await kubectl("get", "job", "long"), /long +Suspended +0\/2/);
    equal((await read("job", "long")).status.failed, undefined);
    await kubectl("patch", "job/long", "-p", '{"spec":{"suspend":false}}');
    await kubectl("wait", "job/long", "--for=jsonpath={.status.ready}=2", "--timeout=60s");
    await kubectl("delete", "job", "long");
  });

  await t.step("a CronJob is made, suspended, and its Job run by hand", async () => {
    await kubectl("create", "cronjob", "tick", `--image=${IMAGE}`, "--schedule=0 0 1 1 *", "--", "echo", "tick");
    match(
      await kubectl("get", "cronjobs"),
      /NAME +SCHEDULE +TIMEZONE +SUSPEND +ACTIVE +LAST SCHEDULE +AGE\ntick +0 0 1 1 \* +<none> +False +0 +<none> /,
    );
    await kubectl("create", "job", "by-hand", "--from=cronjob/tick");
    await kubectl("wait", "job/by-hand", "--for=condition=complete", "--timeout=60s");
    await kubectl("patch", "cronjob/tick", "-p", '{"spec":{"suspend":true}}');
    const refused = await tryKubectl("patch", "cronjob/tick", "-p", '{"spec":{"schedule":"never"}}');
    match(refused.stderr, /spec.schedule: Invalid value: "never": expected exactly 5 fields, found 1/);
    await kubectl("delete", "cronjob", "tick");
    await kubectl("wait", "job/by-hand", "--for=delete", "--timeout=60s");
  });

  await t.step("a DaemonSet is rolled out, its history told, undone and restarted", async () => {
    match(
      await kubectl("get", "ds"),
      /NAME +DESIRED +CURRENT +READY +UP-TO-DATE +AVAILABLE +NODE SELECTOR +AGE\ndaemon +1 +1 +1 +1 +1 +<none> /,
    );
    await kubectl("set", "env", "ds/daemon", "STEP=two");
    match(await kubectl("rollout", "status", "ds/daemon", "--timeout=60s"), /successfully rolled out/);
    match(await kubectl("rollout", "history", "ds/daemon"), /\n1 +<none>\n2 +<none>\n/);
    match(await kubectl("rollout", "undo", "ds/daemon"), /rolled back/);
    await kubectl("rollout", "status", "ds/daemon", "--timeout=60s");
    equal((await read("ds", "daemon")).spec.template.spec.containers[0].env, undefined);
    await kubectl("rollout", "restart", "ds/daemon");
    await kubectl("rollout", "status", "ds/daemon", "--timeout=60s");
    match(
      await kubectl("get", "controllerrevisions"),
      /NAME +CONTROLLER +REVISION +AGE\ndaemon-\S+ +daemonset.apps\/daemon /,
    );
    const [pod] = (await read("pods", "-l", "app=daemon")).items;
    equal(
      pod.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0]
        .values[0],
      "n1",
    );
  });
});

interface Condition {
  type: string;
  reason?: string;
}

/** Of those that are not on their way out. */
async function podNames(cluster: TestCluster, value: string, label = "app"): Promise<string[]> {
  const { items } = JSON.parse(await cluster.kubectl("get", "pods", "-l", `${label}=${value}`, "-o", "json")) as {
    items: { metadata: { name: string; deletionTimestamp?: string } }[];
  };
  return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined).map(({ metadata }) => metadata.name)
    .sort();
}

function template(app: string) {
  const containers = [{ name: "main", image: IMAGE, command: ["sh", "-c", FOR_EVER] }];
  return { metadata: { labels: { app } }, spec: { containers, terminationGracePeriodSeconds: 3 } };
}

function deployment(name: string, replicas: number) {
  const spec = { replicas, selector: { matchLabels: { app: name } }, template: template(name) };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name }, spec };
}

function daemonSet(name: string) {
  const spec = { selector: { matchLabels: { app: name } }, template: template(name) };
  return { apiVersion: "apps/v1", kind: "DaemonSet", metadata: { name }, spec };
}

function job(name: string, more: object, script: string) {
  const containers = [{ name: "main", image: IMAGE, command: ["sh", "-c", script] }];
  const spec = {
    ...more,
    template: { spec: { containers, restartPolicy: "Never", terminationGracePeriodSeconds: 2 } },
  };
  return { apiVersion: "batch/v1", kind: "Job", metadata: { name }, spec };
}
