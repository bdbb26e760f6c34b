/** What becomes of nodes that are cut off, of nodes whose server is away, and of nodes that lose their power. */
import { deepEqual as assertEquals, equal, match, ok as assert } from "node:assert/strict";
import { eventually } from "./machine.ts";
import { TestNodes } from "./nodes.ts";
import { podsOf, provideImage } from "./workloads.ts";

/** Short, so that the test is; the longest that a slow machine may be silent for other reasons. */
const GRACE = "8s";
const LEASE = "4s";
/** How long pods bear a node that is lost. */
const PATIENCE_SECONDS = 4;

function deployment(replicas: number) {
  const tolerations = ["not-ready", "unreachable"].map((state) => ({
    key: `node.kubernetes.io/${state}`,
    operator: "Exists",
    effect: "NoExecute",
    tolerationSeconds: PATIENCE_SECONDS,
  }));
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web" },
    spec: {
      replicas,
      selector: { matchLabels: { app: "web" } },
      template: {
        metadata: { labels: { app: "web" } },
        spec: {
          // Not 0, with which the server itself would delete them at once.
          terminationGracePeriodSeconds: 1,
          tolerations,
          topologySpreadConstraints: [{
            maxSkew: 1,
            topologyKey: "kubernetes.io/hostname",
            whenUnsatisfiable: "ScheduleAnyway",
            labelSelector: { matchLabels: { app: "web" } },
          }],
          containers: [{
            name: "web",
            image: "busybox:1.37",
            command: ["sh", "-c", "mkdir /www; hostname > /www/index.html; exec httpd -f -p 8080 -h /www"],
            readinessProbe: { httpGet: { port: 8080, path: "/" }, periodSeconds: 1 },
          }],
        },
      },
    },
  };
}

const SERVICE = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web" },
  spec: { selector: { app: "web" }, ports: [{ port: 80, targetPort: 8080 }] },
};

/** One on each node, whatever becomes of the node. */
function steady(node: string) {
  const { apiVersion, kind, metadata, spec } = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `steady-${node}`, labels: { app: "steady" } },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 0,
      tolerations: [{ operator: "Exists" }],
      containers: [{ name: "steady", image: "busybox:1.37", command: ["sleep", "100000"] }],
    },
  };
  return { apiVersion, kind, metadata, spec };
}

async function taintsOf(nodes: TestNodes, name: string): Promise<string> {
  return await nodes.kubectl("get", "node", name, "-o", "jsonpath={range .spec.taints[*]}{.key}:{.effect} {end}");
}

Deno.test("nodes come and go", async (t) => {
  await using nodes = await TestNodes.start({
    agents: 2,
    firstOptions: ["--node-monitor-grace-period", GRACE, "--node-lease-duration", LEASE],
    agentOptions: ["--node-lease-duration", LEASE],
  });
  await provideImage([nodes.first, ...nodes.agents]);
  await nodes.first.apply(deployment(3), SERVICE, ...["n1", "n2", "n3"].map(steady));
  await nodes.kubectl("rollout", "status", "deployment/web", "--timeout=60s");
  await nodes.kubectl("wait", "--for=condition=Ready", "pod", "-l", "app=steady", "--timeout=60s");
  const address = await nodes.kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}");
  const fetchOn = async (machine: string) => {
    const program =
      `console.log(await (await fetch("http://${address}", { signal: AbortSignal.timeout(2000) })).text())`;
    const { code, stdout, stderr } = await nodes.run(machine, [Deno.execPath(), "eval", program]);
    equal(code, 0, stderr);
    return stdout.trim();
  };

  await t.step("a server that is away for a while changes nothing on the nodes", async () => {
    const before = await nodes.first.containers("app");
    const pids = await Promise.all(nodes.agents.map((machine) => machine.pids()));
    const [one] = (await podsOf(nodes, "app=steady")).filter(({ node }) => node === "n2");
    for (const name of ["gateway", "server"] as const) Deno.kill(await nodes.pidOf(name, "n1"), "SIGSTOP");
    const since = Date.now();
    try {
      // Longer than any grace; meanwhile all that is there is used.
      while (Date.now() - since < 25_000) {
        for (const machine of ["n1", "n2", "n3"]) match(await fetchOn(machine), /^web-/);
        const { code, stdout } = await nodes.machine("n2").runInPod(one!.uid, [
          "nslookup",
          "web.default.svc.cluster.local",
        ]);
        equal(code, 0, stdout);
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
    } finally {
      for (const name of ["gateway", "server"] as const) Deno.kill(await nodes.pidOf(name, "n1"), "SIGCONT");
    }
    // Nor does its return: nobody takes a node for lost that could not be heard.
    for (let look = 0; look < 10; look++) {
      for (const machine of ["n1", "n2", "n3"]) match(await fetchOn(machine), /^web-/);
    }
    await eventually(() => nodes.areReady(), 60);
    await eventually(
      async () =>
        assertEquals(await Promise.all(["n1", "n2", "n3"].map((name) => taintsOf(nodes, name))), ["", "", ""]),
      60,
    );
    equal(await nodes.first.containers("app"), before);
    assertEquals(await Promise.all(nodes.agents.map((machine) => machine.pids())), pids);
  });

  await t.step("a node that is cut off is lost after the grace, and its pods are replaced elsewhere", async () => {
    const stay = await nodes.first.containers("app=steady");
    await nodes.cut("n3");
    await eventually(async () => match(await nodes.kubectl("get", "node", "n3"), /n3 +NotReady/), 60);
    match(
      await nodes.kubectl("get", "node", "n3", "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].reason}"),
      /NodeStatusUnknown/,
    );
    await eventually(async () => {
      const taints = await taintsOf(nodes, "n3");
      match(taints, /unreachable:NoExecute/);
      match(taints, /unreachable:NoSchedule/);
    }, 60);
    await eventually(async () => {
      const ready = (await nodes.kubectl(
        "get",
        "endpointslices",
        "-l",
        "kubernetes.io/service-name=web",
        "-o",
        "jsonpath={range .items[*].endpoints[?(@.conditions.ready==true)]}{.nodeName} {end}",
      )).trim().split(" ");
      equal(ready.length, 3, ready.join());
      assert(!ready.includes("n3"), ready.join());
    }, 90);
    for (const machine of ["n1", "n2"]) match(await fetchOn(machine), /^web-/);
    // What bears everything stays, and nobody has touched it.
    equal(await nodes.first.containers("app=steady"), stay);
    match(await nodes.kubectl("get", "pods", "-l", "app=web", "-o", "wide"), /Terminating .* n3 /);
  });

  await t.step("when it is back it takes away what was replaced, and keeps the rest as it is", async () => {
    const stay = await nodes.first.containers("app=steady");
    await nodes.restore("n3");
    await eventually(() => nodes.areReady("n3"), 90);
    await eventually(async () => equal(await taintsOf(nodes, "n3"), ""), 60);
    await eventually(async () => {
      const pods = await podsOf(nodes, "app=web");
      equal(pods.length, 3);
      assert(pods.every(({ node }) => node !== "n3"), JSON.stringify(pods));
    }, 60);
    await nodes.kubectl("wait", "--for=condition=Ready", "pod", "-l", "app=steady", "--timeout=60s");
    equal(await nodes.first.containers("app=steady"), stay);
    await eventually(async () => equal((await nodes.machine("n3").containerPids()).length, 1), 60);
    match(await fetchOn("n3"), /^web-/);
  });

  await t.step("a machine that loses its power runs its pods again when it is started", async () => {
    await nodes.kubectl("scale", "deployment/web", "--replicas=6");
    await nodes.kubectl("rollout", "status", "deployment/web", "--timeout=60s");
    await nodes.machine("n3").losePower();
    await nodes.join("n3");
    await nodes.kubectl("wait", "--for=condition=Ready", "pod", "-l", "app=steady", "--timeout=60s");
    await nodes.kubectl("rollout", "status", "deployment/web", "--timeout=60s");
    match(await fetchOn("n3"), /^web-/);
    const again = (await nodes.first.containers("app=steady")).split("\n").find((line) => line.startsWith("steady-n3"));
    match(again!, / 1$/);
  });

  await t.step("a node whose object is deleted registers again, with the addresses that it had", async () => {
    const range = () => nodes.kubectl("get", "node", "n2", "-o", "jsonpath={.spec.podCIDR}");
    const before = await range();
    await nodes.kubectl("delete", "node", "n2");
    await eventually(async () => equal(await range(), before), 60);
    await nodes.areReady("n2");
    await nodes.first.apply({ ...steady("n2"), metadata: { name: "after", labels: { app: "after" } } });
    await nodes.kubectl("wait", "--for=condition=Ready", "pod/after", "--timeout=60s");
  });
});
