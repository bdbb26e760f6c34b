/** Every command of `k3ts` against a real cluster, as a person would type it. */
import { deepEqual as assertEquals, equal, match, ok as assert } from "node:assert/strict";
import { eventually, ROOT, TestCluster } from "./cluster.ts";
import { commandsOf } from "./commands.ts";

const configMap = (name: string, value: string, labels = {}) =>
  JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name, labels }, data: { key: value } });

Deno.test("k3ts: get, describe, apply, delete, logs, exec and the rest", async (t) => {
  await using cluster = await TestCluster.start("--demo");
  await cluster.says("Hello from k3ts");
  const { k3ts, fails, apply } = commandsOf(cluster);
  const [pod] = (await k3ts("get", "pods", "-l", "app=hello", "-o", "name")).trim().split("\n") as [string];

  await t.step("get shows tables", async () => {
    match(await k3ts("get", "pods"), /^NAME +READY +STATUS +RESTARTS +AGE\nhello-\S+ +1\/1 +Running +0 +\S+\nhello-/);
    match(await k3ts("get", "po", "-o", "wide"), /IP +NODE[\s\S]* 10\.42\.0\.\d+ +n1 /);
    match(await k3ts("get", "pods", "-A"), /^NAMESPACE +NAME[\s\S]*\ndefault +hello-/);
    match(
      await k3ts("get", "all"),
      /\npod\/hello-\S+[\s\S]*\nservice\/hello [\s\S]*\ndeployment\.apps\/hello [\s\S]*\nreplicaset/,
    );
    assert(!(await k3ts("get", "deploy/hello", "--no-headers")).includes("NAME"));
    match(
      (await cluster.tryK3ts("get", "pods", "-l", "app=nothing")).stderr,
      /No resources found in namespace default\./,
    );
  });

  await t.step("get shows objects as JSON, YAML and names", async () => {
    const { items } = JSON.parse(await k3ts("get", "deployments,services", "-o", "json"));
    assertEquals(items.map(({ kind }: { kind: string }) => kind), ["Deployment", "Service", "Service"]);
    const yaml = await k3ts("get", "deploy", "hello", "-o", "yaml");
    match(yaml, /^apiVersion: apps\/v1\nkind: Deployment\nmetadata:\n {2}name: hello\n/);
    assert(!yaml.includes("managedFields"));
    match(await k3ts("get", "deploy", "hello", "-o", "yaml", "--show-managed-fields"), /manager: k3ts/);
    equal(await k3ts("get", "svc", "-o", "name"), "service/hello\nservice/kubernetes\n");
    equal(await k3ts("get", "svc", "-o", "jsonpath={.items[*].metadata.name}"), "hello kubernetes");
    match(await k3ts("get", "deploy", "-o", "custom-columns=N:.metadata.name,R:.spec.replicas"), /^N +R\nhello +2\n$/);
    match(await k3ts("get", "svc", "--sort-by=.spec.ports[0].port", "-L", "component"), /COMPONENT\nhello/);
    equal(await k3ts("get", "pod/nobody", "--ignore-not-found", "-o", "json"), "");
    match(await k3ts("-n", "kube-system", "get", "cm"), /kube-root-ca\.crt/);
  });

  await t.step("get -w and logs -f go on while the server, the gateway and the agent are killed", async () => {
    const watch = follow(cluster, "get", "configmaps", "-w", "-o", "name");
    const logs = follow(cluster, "logs", "-f", "--tail=1", "--timestamps", pod);
    try {
      await eventually(() => {
        match(watch.said(), /configmap\/kube-root-ca\.crt/);
        match(logs.said(), /response:200/);
      });
      for (const name of ["server", "gateway", "agent"] as const) {
        Deno.kill(await cluster.pidOf(name), "SIGKILL");
        await eventually(async () => equal((await apply(configMap(`after-${name}`, "1"))).code, 0));
        const lines = logs.said().length;
        await eventually(() => {
          equal(watch.said().match(new RegExp(`configmap/after-${name}`, "g"))?.length, 1, watch.said());
          assert(logs.said().length > lines, `${name}: no more lines than ${logs.said()}`);
        });
      }
      const shown = logs.said().trim().split("\n");
      equal(new Set(shown).size, shown.length, "a line was shown twice");
      const all = (await k3ts("logs", "--timestamps", pod)).trim().split("\n");
      const from = all.indexOf(shown[0]!);
      assertEquals(shown, all.slice(from, from + shown.length), "a line was lost");
    } finally {
      // As Ctrl-C would end them.
      equal(await watch.interrupt(), 130);
      equal(await logs.interrupt(), 130);
    }
  });

  await t.step("describe shows fields and events, and no secret", async () => {
    match(await k3ts("describe", pod), /controlledBy: ReplicaSet\/hello[\s\S]*events:\n +TYPE +REASON[\s\S]*Started/);
    await apply(
      JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata: { name: "s" }, stringData: { key: "geheim" } }),
    );
    match(await k3ts("describe", "secret", "s"), /data:\n +key: 6 bytes/);
  });

  await t.step("apply says what it did, and explains conflicts", async () => {
    const both = (value: string) => `${configMap("a", value)}\n---\n${configMap("b", value)}`;
    const said = async (manifest: string, ...options: string[]) =>
      (await apply(manifest, ...options)).stdout.split("\n");
    assertEquals(await said(both("1")), ["configmap/a created", "configmap/b created", ""]);
    assertEquals(await said(both("1")), ["configmap/a unchanged", "configmap/b unchanged", ""]);
    assertEquals(await said(both("2")), ["configmap/a configured", "configmap/b configured", ""]);
    await cluster.kubectl("patch", "configmap", "a", "-p", '{"data":{"key":"3"}}');
    const conflict = await apply(both("4"));
    assertEquals([conflict.code, conflict.stdout], [1, "configmap/b configured\n"]);
    match(conflict.stderr, /Others manage fields of configmap\/a .*\n +\.data\.key: .*kubectl-patch.*\n.*--force/);
    assertEquals(await said(both("4"), "--force"), ["configmap/a configured", "configmap/b unchanged", ""]);
    match((await k3ts("apply", "-f", `${ROOT}/examples/hello`)).trim(), /deployment\.apps\/hello unchanged/);
  });

  await t.step("apply names what is wrong with a manifest", async () => {
    const complaint = async (manifest: string) => (await apply(manifest)).stderr;
    match(
      await complaint('{"apiVersion":"v1","kind":"Podd","metadata":{"name":"x"}}'),
      /no kind Podd in v1: did you mean Pod\?/,
    );
    match(
      await complaint('{"apiVersion":"v1","kind":"Deployment","metadata":{"name":"x"}}'),
      /Deployment in v1, but in apps\/v1\./,
    );
    match(
      await complaint('{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"dta":{}}'),
      /\.dta: field not declared/,
    );
    match(await complaint("a: ["), /Cannot read - as it must be YAML or JSON/);
    await fails(["apply", "-f", "/nonexistent.yaml"], 1, /Cannot read \/nonexistent\.yaml/);
  });

  await t.step("delete waits until they are gone, unless told otherwise", async () => {
    equal(await k3ts("delete", "cm/a", "cm/b"), "configmap/a deleted\nconfigmap/b deleted\n");
    await fails(["delete", "cm", "a"], 1, /configmaps "a" not found/);
    equal(await k3ts("delete", "cm", "a", "--ignore-not-found"), "");
    await apply(`${configMap("c", "1", { x: "y" })}\n---\n${configMap("d", "1", { x: "y" })}`);
    equal(await k3ts("delete", "cm", "-l", "x=y"), "configmap/c deleted\nconfigmap/d deleted\n");
    await fails(["delete", "pods"], 1, /Which pods to delete must be named/);
    await apply(sleeper("slow", 30));
    await cluster.kubectl("wait", "--for=condition=Ready", "pod/slow", "--timeout=60s");
    await k3ts("delete", "pod/slow", "--no-wait");
    match(await k3ts("get", "pod", "slow"), /Terminating/);
    const started = performance.now();
    await k3ts("delete", "pod/slow", "--grace-period", "1");
    await fails(["get", "pod", "slow"], 1, /pods "slow" not found/);
    assert(performance.now() - started < 15_000);
  });

  await t.step("logs of a pod and of a deployment", async () => {
    match(await k3ts("logs", pod, "--tail=2"), /^.*response:200\n.*response:200\n$/);
    match(await k3ts("logs", "deploy/hello", "--tail=1", "--timestamps"), /^\d{4}-\d\d-\d\dT\S+ .*response:200\n$/);
    await fails(["logs", "nobody"], 1, /pods "nobody" not found/);
    await fails(["logs", pod, "-c", "nobody"], 1, /container nobody is not valid/);
    await fails(["logs", pod, "--tail=all"], 1, /--tail must be a whole number/);
  });

  await t.step("exec passes streams and exit codes, with input and without", async () => {
    const plain = await cluster.tryK3ts("exec", pod, "--", "sh", "-c", "cat; echo out; echo err >&2; exit 7");
    assertEquals([plain.code, plain.stdout, plain.stderr], [7, "out\n", "err\n"]);
    const input = "x".repeat(1_000_000);
    const fed = await cluster.run(cluster.k3tsCommand("exec", "-i", pod, "--", "wc", "-c"), { input });
    equal(fed.stdout.trim(), "1000000", fed.stderr);
    await fails(["exec", pod, "--", "no-such-program"], 127, /no-such-program/);
    await fails(["exec", "-t", pod, "--", "sh"], 1, /A terminal can only be passed on where there is one/);
  });

  await t.step("exec -it gives a terminal of our size", async () => {
    // The size follows the program's start.
    const words = cluster.k3tsCommand(
      "exec",
      "-it",
      pod,
      "--",
      "sh",
      "-c",
      "tty; until stty size 2>&1 | grep 99; do :; done; exit 5",
    );
    const command = `stty rows 33 cols 99; ${words.join(" ")}`.replace("sh -c ", "sh -c '") + "'";
    const said = await cluster.run(["script", "-qec", command, "/dev/null"]);
    match(said.stdout, /\/dev\/pts\/\d+[\s\S]*33 99/);
    equal(said.code, 5, said.stdout + said.stderr);
  });

  await t.step("the cluster, its nodes, tokens, resources and versions", async () => {
    match(await k3ts("cluster", "info"), /server: +https:\/\/127\.0\.0\.1:6443\n[\s\S]*pods: +10\.42\.0\.0\/16/);
    match(await k3ts("node", "list"), /^NAME +STATUS[\s\S]*\nn1 +Ready /);
    match(await k3ts("token", "create", "--ttl", "5m"), /^K3TS1\.[0-9a-f]{64}\.\w+\.\w+\n$/);
    await fails(
      ["token", "create", "--ttl", "soon"],
      1,
      /--ttl must be a duration such as 30s, 5m or 24h: it is "soon"/,
    );
    match(await k3ts("api-resources"), /\ndeployments +deploy +apps\/v1 +true +Deployment\n/);
    match(await k3ts("version"), /^k3ts \d+\.\d+\.\d+ .*\nserver \d+\.\d+\.\d+ \(Kubernetes API v1\./);
    match(await k3ts("version", "--client"), /^k3ts [^\n]*\n$/);
  });

  await t.step("images are imported and listed", async () => {
    const archive = `${cluster.dataDir}/busybox.tar`;
    const tool = ["run", "--quiet", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/tools/busybox_image.ts`, archive];
    equal((await cluster.run([Deno.execPath(), ...tool])).code, 0);
    match(await k3ts("image", "import", archive, "--data-dir", cluster.dataDir), /busybox:1\.37 imported\n$/);
    match(
      await k3ts("image", "list", "--data-dir", cluster.dataDir),
      /^IMAGE +ID +SIZE\n\S*busybox:1\.37 +\w{12} +\d+\.\d MB/,
    );
    await fails(["image", "import", "/nonexistent.tar", "--data-dir", cluster.dataDir], 1, /nonexistent\.tar/);
    await fails(["image", "list", "--data-dir", "/nonexistent"], 1, /The agent of this machine cannot be reached/);
  });

  await t.step("errors say what to do next", async () => {
    await fails(["get", "podz"], 1, /no resource "podz": did you mean "pods"\?\n.*k3ts api-resources/);
    await fails(
      ["get", "pods", "--kubeconfig", "/nonexistent"],
      1,
      /the file must exist: .*\n.*start a cluster with `k3ts up`/,
    );
    await fails(["get", "pods", "--output", "xml"], 1, /must be one of wide, json, yaml, name, .*: it is "xml"/);
    await fails(["get", "pods", "--outptu", "yaml"], 1, /unknown option '--outptu'[\s\S]*--help/);
    await fails(["gte", "pods"], 1, /unknown command 'gte'[\s\S]*get/);
    const node = `${cluster.dataDir}/node.kubeconfig`;
    await Deno.writeTextFile(node, await kubeconfigOfNode(cluster));
    await fails(
      ["get", "clusterroles", "--kubeconfig", node],
      1,
      /forbidden: User "system:node:n1" .*\nAsk an administrator/,
    );
    await cluster.interrupt();
    await fails(["get", "pods"], 1, /refused.*\nIs the server running\? Start it with `k3ts up`/);
    await fails(["exec", pod, "--", "ls"], 1, /\nIs the server running\?/);
  });
});

/** A command that goes on until it is told to end. */
function follow(cluster: TestCluster, ...words: string[]) {
  const child = cluster.command(cluster.k3tsCommand(...words), { stdin: "null" }).spawn();
  let text = "";
  const reading = Promise.all([child.stdout, child.stderr].map(async (stream) => {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) text += chunk;
  }));
  return {
    said: () => text,
    interrupt: async () => {
      child.kill("SIGINT");
      const { code } = await child.status;
      await reading;
      return code;
    },
  };
}

function sleeper(name: string, graceSeconds: number): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name },
    spec: {
      terminationGracePeriodSeconds: graceSeconds,
      // The first process of a container hears no SIGTERM that it does not ask for.
      containers: [{ name: "c", image: "busybox:1.37", command: ["sleep", "3600"] }],
    },
  });
}

/** The administrator's, with the node's credentials. */
async function kubeconfigOfNode({ dataDir }: TestCluster): Promise<string> {
  const text = await Deno.readTextFile(`${dataDir}/admin.kubeconfig`);
  const [certificate, key] = await Promise.all(
    ["crt", "key"].map(async (end) => btoa(await Deno.readTextFile(`${dataDir}/node/node.${end}`))),
  );
  return text.replace(/client-certificate-data: .*/, `client-certificate-data: ${certificate}`)
    .replace(/client-key-data: .*/, `client-key-data: ${key}`);
}
