/** The commands of `k3ts` that make and change objects, against a real cluster, as a person would type them. */
import { deepEqual as assertEquals, equal, match, ok as assert } from "node:assert/strict";
import { ROOT, TestCluster } from "./cluster.ts";
import { commandsOf } from "./commands.ts";

const IMAGE = "busybox:1.37";

Deno.test("k3ts: create, label, patch, scale, rollout, wait, diff, explain and events", async (t) => {
  await using cluster = await TestCluster.start("--demo");
  await cluster.says("Hello from k3ts");
  const { k3ts, fails, apply } = commandsOf(cluster);
  const json = async (...words: string[]) => JSON.parse(await k3ts("get", ...words, "-o", "json"));

  await t.step("create makes the usual objects, and shows what it would make", async () => {
    equal(await k3ts("create", "namespace", "web"), "namespace/web created\n");
    equal(await k3ts("create", "cm", "c", "--from-literal=a=b", "-n", "web"), "configmap/c created\n");
    assertEquals((await json("cm", "c", "-n", "web")).data, { a: "b" });
    await k3ts("create", "secret", "generic", "s", "--from-literal=key=geheim", "-n", "web");
    equal((await json("secret", "s", "-n", "web")).data.key, btoa("geheim"));
    await k3ts("create", "deploy", "web", "--image", IMAGE, "--replicas=2", "-n", "web", "--", "sleep", "3600");
    await k3ts("create", "service", "nodeport", "web", "--tcp=80:8080", "-n", "web");
    equal((await json("svc", "web", "-n", "web")).spec.type, "NodePort");
    const dry = await k3ts("create", "ns", "never", "--dry-run=client", "-o", "yaml");
    equal(dry, "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: never\n");
    match(await k3ts("create", "ns", "never", "--dry-run=server"), /namespace\/never created \(server dry run\)/);
    await fails(["get", "ns", "never"], 1, /"never" not found/);
    await fails(["create", "ns", "web"], 1, /already exists/);
    await fails(["create", "cm", "x", "--from-file=/nonexistent"], 1, /Cannot read \/nonexistent/);
  });

  await t.step("run makes a pod, expose a Service for pods", async () => {
    await k3ts(
      "run",
      "once",
      "--image",
      IMAGE,
      "--restart=Never",
      "--env=A=b",
      "-n",
      "web",
      "--",
      "sh",
      "-c",
      "echo $A",
    );
    equal(
      await k3ts("wait", "pod/once", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s", "-n", "web"),
      "pod/once condition met\n",
    );
    equal(await k3ts("logs", "once", "-n", "web"), "b\n");
    equal(await k3ts("expose", "deploy/web", "--port=80", "--name=front", "-n", "web"), "service/front exposed\n");
    assertEquals((await json("svc", "front", "-n", "web")).spec.selector, { app: "web" });
    await fails(["expose", "deploy/web", "-n", "web"], 1, /does not say where its containers listen/);
  });

  await t.step("label and annotate note and remove, and overwrite only when told to", async () => {
    equal(await k3ts("label", "cm", "c", "tier=front", "-n", "web"), "configmap/c labeled\n");
    await fails(["label", "cm", "c", "tier=back", "-n", "web"], 1, /already has tier=front/);
    await k3ts("label", "cm", "c", "tier=back", "--overwrite", "-n", "web");
    equal(await k3ts("label", "cm/c", "--list", "-n", "web"), "tier=back\n");
    await k3ts("label", "cm", "-l", "tier=back", "tier-", "-n", "web");
    equal((await json("cm", "c", "-n", "web")).metadata.labels, undefined);
    await k3ts("annotate", "cm/c", "note=a=b", "-n", "web");
    equal((await json("cm", "c", "-n", "web")).metadata.annotations.note, "a=b");
  });

  await t.step("patch, set image and edit change fields", async () => {
    equal(await k3ts("patch", "cm/c", "-p", '{"data":{"a":"c"}}', "-n", "web"), "configmap/c patched\n");
    equal(await k3ts("patch", "cm/c", "-p", "data: {a: c}", "-n", "web"), "configmap/c patched (no change)\n");
    const operation = '[{"op":"remove","path":"/data/a"}]';
    await k3ts("patch", "cm/c", "--type=json", "-p", operation, "--dry-run=server", "-n", "web");
    equal((await json("cm", "c", "-n", "web")).data.a, "c");
    await fails(["patch", "cm/c", "-p", "[]", "-n", "web"], 1, /must be an object/);
    await fails(["set", "image", "deploy/web", "no=x", "-n", "web"], 1, /no container "no": it has busybox/);
    match(
      await k3ts("set", "image", "deploy/web", "busybox=docker.io/library/busybox:1.37", "-n", "web"),
      /image updated/,
    );
    const env = { EDITOR: "sed -i s/a:.c/a:\\ d/" };
    const edited = await cluster.run(cluster.k3tsCommand("edit", "cm/c", "-n", "web"), { env });
    equal(edited.stdout, "configmap/c edited\n", edited.stderr);
    equal((await json("cm", "c", "-n", "web")).data.a, "d");
    const same = await cluster.run(cluster.k3tsCommand("edit", "cm/c", "-n", "web"), { env: { EDITOR: "true" } });
    equal(same.stdout, "configmap/c was not changed.\n");
    const wrong = await cluster.run(cluster.k3tsCommand("edit", "cm/c", "-n", "web"), {
      env: { EDITOR: "sed -i s/^data:/dat:/" },
    });
    equal(wrong.code, 1);
    match(wrong.stderr, /unknown field "dat"/);
  });

  await t.step("scale sets replicas, when they are as expected", async () => {
    await fails(
      ["scale", "deploy/web", "--replicas=1", "--current-replicas=7", "-n", "web"],
      1,
      /must have 7 replicas now: it has 2/,
    );
    equal(
      await k3ts("scale", "deploy/web", "--replicas=3", "--current-replicas=2", "-n", "web"),
      "deployment.apps/web scaled\n",
    );
    equal((await json("deploy", "web", "-n", "web")).spec.replicas, 3);
    await fails(["scale", "cm/c", "--replicas=1", "-n", "web"], 1, /Cannot scale configmaps: they have no scale/);
    await fails(["scale", "deploy/web", "--replicas=many", "-n", "web"], 1, /--replicas must be a whole number/);
  });

  await t.step("rollout of a deployment: status, history, restart, undo, pause, resume", async () => {
    const rollout = (...words: string[]) => k3ts("rollout", ...words, "-n", "web");
    match(await rollout("status", "deploy/web", "--timeout=120s"), /deployment "web" successfully rolled out\n$/);
    // So that there is something to wait for.
    await k3ts("patch", "deploy/web", "-n", "web", "-p", '{"spec":{"minReadySeconds":1}}');
    equal(await rollout("restart", "deploy/web"), "deployment.apps/web restarted\n");
    match(
      await rollout("status", "deploy/web", "--timeout=120s"),
      /Waiting for deployment "web" rollout to finish: .*\n[\s\S]*successfully rolled out\n$/,
    );
    const history = await rollout("history", "deploy/web");
    match(history, /^deployment\.apps\/web\nREVISION +CHANGE-CAUSE\n1 +<none>\n2 +<none>\n3 +<none>\n/);
    match(await rollout("history", "deploy/web", "--revision=1"), /with revision #1\n[\s\S]*image: +busybox:1\.37/);
    equal(await rollout("undo", "deploy/web", "--to-revision=1"), "deployment.apps/web rolled back\n");
    equal((await json("deploy", "web", "-n", "web")).spec.template.spec.containers[0].image, IMAGE);
    equal(await rollout("pause", "deploy/web"), "deployment.apps/web paused\n");
    await fails(
      ["rollout", "restart", "deploy/web", "-n", "web"],
      1,
      /cannot be restarted while it is paused\.\nResume it first/,
    );
    equal(await rollout("resume", "deploy/web"), "deployment.apps/web resumed\n");
    await rollout("status", "deploy/web", "--timeout=120s");
    await fails(
      ["rollout", "undo", "deploy/web", "--to-revision=99", "-n", "web"],
      1,
      /revision 99 is not in its history/,
    );
    await fails(
      ["rollout", "status", "cm/c", "-n", "web"],
      1,
      /Only a Deployment, DaemonSet, StatefulSet has a rollout/,
    );
    await k3ts("set", "image", "deploy/web", "busybox=nowhere.invalid/nothing:1", "-n", "web");
    await fails(["rollout", "status", "deploy/web", "--timeout=2s", "-n", "web"], 1, /is not done after 2s\.\nSee why/);
    equal(await rollout("undo", "deploy/web"), "deployment.apps/web rolled back\n");
  });

  await t.step("rollout of a daemon set", async () => {
    const labels = { app: "daemon" };
    const container = (word: string) => ({
      name: "c",
      image: IMAGE,
      command: ["sleep", "3600"],
      env: [{ name: "W", value: word }],
    });
    const daemonSet = (word: string) => ({
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: { name: "daemon" },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 0, containers: [container(word)] } },
      },
    });
    await apply(daemonSet("one"));
    match(await k3ts("rollout", "status", "ds/daemon", "--timeout=60s"), /daemon set "daemon" successfully rolled out/);
    await apply(daemonSet("two"));
    await k3ts("rollout", "status", "ds/daemon", "--timeout=60s");
    match(await k3ts("rollout", "history", "ds/daemon"), /\n1 +<none>\n2 +<none>\n/);
    equal(await k3ts("rollout", "undo", "ds/daemon"), "daemonset.apps/daemon rolled back\n");
    equal((await json("ds", "daemon")).spec.template.spec.containers[0].env[0].value, "one");
    await k3ts("rollout", "status", "ds/daemon", "--timeout=60s");
  });

  await t.step("wait waits for conditions, for what is made, and for what is gone", async () => {
    equal(
      await k3ts("wait", "deploy/web", "--for=condition=Available", "-n", "web"),
      "deployment.apps/web condition met\n",
    );
    await fails(
      ["wait", "cm/later", "--for=create", "--timeout=1s"],
      1,
      /configmap\/later was not as it should be within 1s/,
    );
    const created = cluster.tryK3ts("wait", "cm/later", "--for=create", "--timeout=60s");
    await k3ts("create", "cm", "later");
    equal((await created).stdout, "configmap/later condition met\n");
    const deleted = cluster.tryK3ts("wait", "cm/later", "--for=delete", "--timeout=60s");
    await k3ts("delete", "cm", "later");
    equal((await deleted).code, 0);
    await fails(["wait", "pod/nobody", "--for=condition=Ready"], 1, /"nobody" not found/);
    await fails(
      ["wait", "deploy/web", "--for=condition=Nothing", "--timeout=0", "-n", "web"],
      1,
      /is not as it should be/,
    );
    await fails(["wait", "deploy/web", "--for=ready", "-n", "web"], 1, /--for must be delete, create, condition=NAME/);
  });

  await t.step("diff tells by its exit code, and shows no secret", async () => {
    const diff = (manifest: object) =>
      cluster.run(cluster.k3tsCommand("diff", "-f", "-"), { input: JSON.stringify(manifest) });
    const map = (value: string) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "d" },
      data: { key: value },
    });
    await apply(map("1"));
    assertEquals(await diff(map("1")), { code: 0, stdout: "", stderr: "" });
    const changed = await diff(map("2"));
    equal(changed.code, 1);
    match(
      changed.stdout,
      /^--- live\/v1\.ConfigMap\.default\.d\n\+\+\+ merged\/.*\n@@ .* @@\n[\s\S]*\n- {2}key: "1"\n\+ {2}key: "2"\n/,
    );
    equal((await json("cm", "d")).data.key, "1");
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "new" }, stringData: { key: "geheim" } };
    const made = await diff(secret);
    equal(made.code, 1);
    assert(made.stdout.includes('+  key: "***"') && !made.stdout.includes(btoa("geheim")), made.stdout);
    equal((await cluster.tryK3ts("diff", "-f", "/nonexistent")).code, 2);
    equal((await cluster.tryK3ts("diff", "-f", `${ROOT}/examples/hello`)).code, 0);
  });

  await t.step("explain shows the fields that the server tells of", async () => {
    match(
      await k3ts("explain", "deploy.spec.strategy"),
      /^GROUP: +apps\nKIND: +Deployment\nVERSION: +v1\n\nFIELD: strategy <DeploymentStrategy>\n[\s\S]*\n {2}type .*<string>\n {4}enum: Recreate, RollingUpdate/,
    );
    match(await k3ts("explain", "pod.spec.containers.ports", "--recursive"), /containerPort +<integer> -required-/);
    await fails(
      ["explain", "pod.spec.contaniers"],
      1,
      /"spec\.contaniers" does not exist: did you mean "containers"\?/,
    );
    await fails(["explain", "podz"], 1, /no resource "podz"/);
  });

  await t.step("events are shown in order, for one object, and of one type", async () => {
    match(await k3ts("events"), /^LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n/);
    const own = (await k3ts("events", "--for", "deploy/hello", "--no-headers")).trim().split("\n");
    assert(own.length > 0 && own.every((line) => line.includes("Deployment/hello")), own.join("\n"));
    equal((await cluster.tryK3ts("events", "--for", "deploy/hello", "--types=Warning")).stdout, "");
    match(await k3ts("events", "-A"), /^NAMESPACE +LAST SEEN[\s\S]*\nweb +/);
    await fails(["events", "--types=Bad"], 1, /--types must be of Normal, Warning/);
    await fails(["events", "--for", "hello"], 1, /--for must be RESOURCE\/NAME/);
  });

  await t.step("delete dry runs delete nothing, and its time-out says what is left", async () => {
    equal(await k3ts("delete", "ns", "web", "--dry-run=server"), "namespace/web deleted (server dry run)\n");
    const finalizers = ["example.org/hold"];
    await apply({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "held", finalizers } });
    await fails(["delete", "cm", "held", "--timeout=1s"], 1, /configmap\/held is not gone after 1s/);
    await k3ts("patch", "cm", "held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}');
    await k3ts("delete", "deploy", "web", "-n", "web");
    // They hear no SIGTERM: nobody is to wait for them.
    await k3ts("delete", "pods", "--all", "--force", "-n", "web");
    equal(await k3ts("delete", "ns", "web", "--timeout=120s"), "namespace/web deleted\n");
    await fails(["get", "ns", "web"], 1, /"web" not found/);
  });
});
