/** Pods, Services and names across machines. */
import { equal, match, ok as assert } from "node:assert/strict";
import { eventually } from "./machine.ts";
import { TestNodes } from "./nodes.ts";
import { podsOf, provideImage, type RunningPod, service, web } from "./workloads.ts";

Deno.test("machines join by a token, and pods on them reach each other by address, Service and name", async (t) => {
  await using nodes = await TestNodes.start({ agents: 2 });
  await provideImage([nodes.first, ...nodes.agents]);
  await nodes.first.apply(
    ...["n1", "n2", "n3"].map((node) => web(`web-${node}`, node)),
    service("web"),
    service("webs", { clusterIP: "None" }),
    service("outside", { type: "NodePort", ports: [{ port: 80, targetPort: 8080, nodePort: 30080 }] }),
  );
  await nodes.kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s");
  const pods = await podsOf(nodes, "app=web");
  equal(pods.length, 3);
  const inPod = async ({ uid, node }: RunningPod, ...words: string[]) => {
    const { code, stdout, stderr } = await nodes.machine(node).runInPod(uid, words);
    equal(code, 0, `${words.join(" ")} on ${node}: ${stdout}${stderr}`);
    return stdout.trim();
  };
  const fetchFrom = (pod: RunningPod, url: string) => inPod(pod, "wget", "-q", "-O-", url);
  const onMachine = async (name: string, url: string) => {
    const program = `console.log(await (await fetch("${url}", { signal: AbortSignal.timeout(2000) })).text())`;
    const { code, stdout, stderr } = await nodes.run(name, [Deno.execPath(), "eval", program]);
    equal(code, 0, stderr);
    return stdout.trim();
  };

  await t.step("by address, from everywhere to everywhere", async () => {
    for (const from of pods) {
      for (const to of pods) equal(await eventually(() => fetchFrom(from, `http://${to.address}:8080/`)), to.name);
    }
  });

  await t.step("as themselves: pods see the address of the pod that asks", async () => {
    for (const from of pods) {
      for (const to of pods) {
        // Written as an IPv6 address.
        equal(await fetchFrom(from, `http://${to.address}:8080/cgi-bin/peer`), `[::ffff:${from.address}]`);
      }
    }
  });

  await t.step("through a Service, whose endpoints on all machines answer", async () => {
    const address = await nodes.kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}");
    for (const from of pods) await eventually(() => answersOfAll(() => fetchFrom(from, `http://${address}/`)));
  });

  await t.step("by name, and the API too", async () => {
    for (const from of pods) {
      await eventually(() => answersOfAll(() => fetchFrom(from, "http://web.default.svc.cluster.local/")));
      match(await inPod(from, "nslookup", "kubernetes.default.svc.cluster.local"), /Address: 10\.43\.0\.1/);
      await inPod(from, "sh", "-c", "nc -w 3 10.43.0.1 443 < /dev/null");
    }
  });

  await t.step("headless Services name the pods of all machines", async () => {
    for (const from of pods) {
      const all = await inPod(from, "nslookup", "webs.default.svc.cluster.local");
      for (const to of pods) {
        assert(all.includes(`Address: ${to.address}`), all);
        equal(await fetchFrom(from, `http://${to.name}.webs.default.svc.cluster.local:8080/`), to.name);
      }
    }
  });

  await t.step("and kubectl reaches them on every machine: exec, logs", async () => {
    for (const { name } of pods) {
      equal((await nodes.kubectl("exec", name, "--", "hostname")).trim(), name);
      match(await eventually(() => nodes.kubectl("logs", name)), /^serving/);
    }
  });

  await t.step("from the machines themselves: pods, Services and node ports on every one", async () => {
    for (const machine of ["n1", "n2", "n3"]) {
      for (const to of pods) equal(await onMachine(machine, `http://${to.address}:8080/`), to.name);
      const address = await nodes.kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}");
      match(await onMachine(machine, `http://${address}/`), /^web-n[123]$/);
      for (const other of ["n1", "n2", "n3"]) {
        match(await onMachine(machine, `http://${nodes.addressOf(other)}:30080/`), /^web-n[123]$/);
      }
    }
  });
});

/** Asks until every one of the three has answered. */
async function answersOfAll(ask: () => Promise<string>): Promise<void> {
  const answered = new Set<string>();
  for (let asked = 0; asked < 30 && answered.size < 3; asked++) answered.add(await ask());
  equal(answered.size, 3, [...answered].join());
}
