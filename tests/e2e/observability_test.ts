/** What a cluster tells of itself: figures, usage, health and logs, as those who watch over it ask for them. */
import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import { type Family, lintExposition, parseExposition } from "../exposition.ts";
import { TestCluster } from "./cluster.ts";
import { eventually } from "./machine.ts";
import { TestNodes } from "./nodes.ts";

const BUSY = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "busy", labels: { work: "hard" } },
  spec: {
    containers: [
      { name: "spins", image: "busybox:1.37", command: ["sh", "-c", "while :; do :; done"] },
      { name: "sleeps", image: "busybox:1.37", command: ["sleep", "1000000"] },
    ],
  },
};

/** What processes log: `time`, `level` and `msg`, and more of the same form. */
const LOG_LINE =
  /^time=\S+ level=(debug|info|warn|error) msg=(?:"(?:[^"\\]|\\.)*"|\S+)(?: \w+=(?:"(?:[^"\\]|\\.)*"|\S+))*$/;

const NAMES: Record<string, string[]> = {
  server: ["apiserver_request_total", "apiserver_request_duration_seconds", "k3ts_store_commit_duration_seconds"],
  plugins: [
    "workqueue_depth",
    "workqueue_adds_total",
    "workqueue_queue_duration_seconds",
    "workqueue_work_duration_seconds",
    "controller_runtime_reconcile_total",
    "scheduler_schedule_attempts_total",
  ],
  gateway: ["k3ts_gateway_connections", "k3ts_gateway_requests_total"],
  supervisor: ["k3ts_supervisor_process_running"],
  agent: [
    "kubelet_running_pods",
    "kubelet_running_containers",
    "kubelet_pod_start_duration_seconds",
    "kubelet_runtime_operations_total",
    "kubelet_runtime_operations_duration_seconds",
    "kubeproxy_sync_proxy_rules_duration_seconds",
    "prober_probe_total",
  ],
  dataplane: ["coredns_dns_requests_total", "coredns_dns_responses_total", "coredns_forward_requests_total"],
};

Deno.test("a cluster tells those who watch over it what they ask for", async (t) => {
  await using cluster = await TestCluster.start("--demo", "--log-level", "debug");
  await cluster.says("Hello from k3ts");
  await cluster.apply(BUSY);
  await cluster.kubectl("wait", "--for=condition=Ready", "pod/busy", "--timeout=60s");
  const raw = (path: string) => cluster.kubectl("get", "--raw", path);
  const nodePage = (path: string) => raw(`/api/v1/nodes/n1/proxy${path}`);
  const valueOf = (families: Map<string, Family>, name: string, labels: Record<string, string>) =>
    families.get(name)?.samples.find((one) => Object.entries(labels).every(([key, value]) => one.labels[key] === value))
      ?.value;

  await t.step("every process tells its figures, so that the strictest reader takes them", async () => {
    const server = parseExposition(await raw("/metrics"));
    const node = parseExposition(await nodePage("/metrics"));
    deepEqual(lintExposition([...server.values(), ...node.values()]), []);
    for (
      const [families, processes] of [
        [server, ["server", "plugins", "gateway", "supervisor"]],
        [node, ["agent", "dataplane"]],
      ] as const
    ) {
      deepEqual(families.get("up")?.samples.map(({ labels }) => labels.process), processes);
      for (const process of processes) {
        equal(valueOf(families, "up", { process }), 1, process);
        for (const name of [...NAMES[process]!, "process_resident_memory_bytes", "process_cpu_seconds_total"]) {
          ok(families.get(name)?.samples.some(({ labels }) => labels.process === process), `${name} of ${process}`);
        }
      }
    }
    ok(valueOf(server, "scheduler_schedule_attempts_total", { result: "scheduled" })! >= 3);
    ok(valueOf(node, "kubelet_running_containers", { container_state: "running" })! >= 2);
    parseExposition(await nodePage("/metrics/resource"));
  });

  await t.step("figures are for whoever may read them", async () => {
    const refused = await cluster.run([cluster.kubectlPath, "--as=eve", "get", "--raw", "/metrics"]);
    equal(refused.code, 1);
    match(refused.stderr, /forbidden.*cannot get path "\/metrics"/s);
    const answer = await cluster.run([
      cluster.kubectlPath,
      "--as=eve",
      "get",
      "--raw",
      "/api/v1/nodes/n1/proxy/metrics",
    ]);
    match(answer.stderr, /Forbidden/i);
  });

  await t.step("top tells who is busy, of nodes, pods and containers", async () => {
    // The first figures of a pod come with the second report of its node at the latest.
    const rows = await eventually(async () => {
      const rows = (await cluster.kubectl("top", "pods", "-A", "--containers", "--no-headers")).trim().split("\n")
        .map((row) => row.split(/\s+/));
      ok(rows.some(([, , container]) => container === "spins"), rows.join("\n"));
      return rows;
    }, 90);
    const cpuOf = (name: string) => parseInt(rows.find(([, , container]) => container === name)![3]!);
    ok(cpuOf("spins") > 100, `${cpuOf("spins")} thousandths of a core`);
    ok(cpuOf("sleeps") < 50, `${cpuOf("sleeps")} thousandths of a core`);
    match(await cluster.kubectl("top", "pods", "-l", "work=hard"), /^busy +\d+m +\d+Mi/m);
    match(await cluster.kubectl("top", "nodes"), /^n1 +\d+m +\d+% +[1-9]\d*Mi +\d+%/m);
    match(await cluster.k3ts("top", "pods", "--sort-by", "cpu"), /^NAME.*\nbusy +\d+m/);
    match(await cluster.k3ts("top", "nodes"), /^n1 +\d+m/m);
    match(await cluster.kubectl("api-resources", "--api-group=metrics.k8s.io"), /PodMetrics/);
    const summary = JSON.parse(await nodePage("/stats/summary"));
    const busy = summary.pods.find(({ podRef }: { podRef: { name: string } }) => podRef.name === "busy");
    ok(busy.cpu.usageCoreNanoSeconds > 1e8 && busy.memory.workingSetBytes > 0, JSON.stringify(busy));
  });

  await t.step("a process that does not answer is left out, and that is told", async () => {
    const pid = await cluster.pidOf("plugins");
    Deno.kill(pid, "SIGSTOP");
    try {
      const families = parseExposition(await raw("/metrics"));
      equal(valueOf(families, "up", { process: "plugins" }), 0);
      equal(valueOf(families, "up", { process: "gateway" }), 1);
      equal(families.has("workqueue_depth"), false);
    } finally {
      Deno.kill(pid, "SIGCONT");
    }
    equal(valueOf(parseExposition(await raw("/metrics")), "up", { process: "plugins" }), 1);
  });

  await t.step("health says what is wrong, as long as it is", async () => {
    match(await raw("/readyz?verbose"), /\[\+\]plugins ok\n\[\+\]certificate ok\nreadyz check passed/);
    match(await nodePage("/healthz?verbose"), /\[\+\]runtime ok\n\[\+\]network ok\n\[\+\]syncloop ok\n\[\+\]outbox ok/);
    equal((await cluster.run(cluster.k3tsCommand("doctor", "--data-dir", cluster.dataDir))).code, 0);
    const { code } = await cluster.run(["ip", "link", "set", "k3ts0", "name", "hidden"]);
    equal(code, 0);
    try {
      const bad = await cluster.run([cluster.kubectlPath, "get", "--raw", "/api/v1/nodes/n1/proxy/healthz"]);
      notEqual(bad.code, 0);
      const doctor = await cluster.run(cluster.k3tsCommand("doctor", "--data-dir", cluster.dataDir));
      equal(doctor.code, 1);
      match(doctor.stdout, /PROBLEM +node health +network: the bridge k3ts0 is gone/);
    } finally {
      await cluster.run(["ip", "link", "set", "hidden", "name", "k3ts0"]);
    }
    equal(await nodePage("/healthz"), "ok");
  });

  await t.step("what all processes log is logfmt, with what it is about", async () => {
    await cluster.kubectl("delete", "pod", "busy", "--grace-period=1");
    const levels = new Set<string>();
    for await (const { name } of Deno.readDir(`${cluster.dataDir}/logs`)) {
      const lines = (await Deno.readTextFile(`${cluster.dataDir}/logs/${name}`)).trimEnd().split("\n");
      for (const line of lines) {
        const [, level] = LOG_LINE.exec(line) ?? [];
        ok(level !== undefined, `${name}: ${line}`);
        levels.add(level);
      }
    }
    ok(levels.has("debug") && levels.has("info"), [...levels].join());
    const log = async (name: string) => await Deno.readTextFile(`${cluster.dataDir}/logs/${name}.log`);
    match(
      await log("agent"),
      /^time=\S+ level=debug msg="Did start for a pod" pod=default\/busy container=spins ms=\d+$/m,
    );
    match(await log("server"), /level=debug msg="Did post, event" controller=scheduler object=default\/busy$/m);
  });
});

Deno.test("nodes elsewhere tell the same, through their tunnels", async () => {
  await using nodes = await TestNodes.start({ agents: 1 });
  const families = parseExposition(await nodes.kubectl("get", "--raw", "/api/v1/nodes/n2/proxy/metrics"));
  const up = families.get("up")?.samples.map(({ labels, value }) => `${labels.process} ${value}`);
  deepEqual(up, ["agent 1", "dataplane 1", "gateway 1", "supervisor 1"]);
  equal(await nodes.kubectl("get", "--raw", "/api/v1/nodes/n2/proxy/healthz"), "ok");
  await eventually(async () => match(await nodes.kubectl("top", "nodes"), /^n1 .*\nn2 +\d+m +\d+% +\d+Mi/m), 60);
  // Whoever is silent is soon not told of any more.
  await nodes.cut("n2");
  await eventually(async () => ok(!/^n2 +\d/m.test(await nodes.kubectl("top", "nodes"))), 120);
});

Deno.test("a level of logs that is none is refused before anything starts", async () => {
  await using cluster = await TestCluster.prepare();
  const wrong = await cluster.run(cluster.k3tsCommand("up", "--data-dir", cluster.dataDir, "--log-level", "loud"));
  equal(wrong.code, 1);
  match(wrong.stderr, /--log-level/);
  const variable = await cluster.run(cluster.k3tsCommand("up", "--data-dir", cluster.dataDir), {
    env: { K3TS_LOG_LEVEL: "loud" },
  });
  equal(variable.code, 1);
  match(variable.stderr, /one of debug, info, warn, error[\s\S]*K3TS_LOG_LEVEL/);
});
