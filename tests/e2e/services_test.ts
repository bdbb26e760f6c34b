/** Services of every kind, seen from pods, from machines of the cluster and from outside. */
import { delay } from "@k3ts/client";
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { signalIfAlive } from "@k3ts/tools/run";
import { eventually } from "./machine.ts";
import { TestNodes } from "./nodes.ts";
import { podsOf, provideImage, type RunningPod, service, web } from "./workloads.ts";

/** A machine beside the cluster. */
const OUTSIDE = "n9";
/** How long a client waits for an answer that is not to come. */
const SILENCE_SECONDS = 2;
const UDP_MS_MAX = 30_000;

/** Answers every datagram with a name. */
const UDP_SERVER = `
  import dgram from "node:dgram";
  const socket = dgram.createSocket("udp4");
  socket.on("message", (_, from) => socket.send(Deno.args[0], from.port, from.address));
  socket.bind(5353);`;
/** One socket for all its questions, as a resolver has. Prints each answer. */
const UDP_CLIENT = `
  import dgram from "node:dgram";
  const socket = dgram.createSocket("udp4");
  socket.on("message", (answer) => console.log(answer.toString()));
  socket.bind(4444, () => setInterval(() => socket.send("?", 53, Deno.args[0]), 50));`;
/** In bash: ends with 7 when a datagram to port 81 was refused. */
const UDP_REFUSED = "exec 3<>/dev/udp/$0/81; for i in {1..50}; do echo >&3 || exit 7; sleep 0.1; done";
/** Of curl(1), and of the above. */
const REFUSED = 7, TIMED_OUT = 28;

Deno.test("Services", async (t) => {
  await using nodes = await TestNodes.start({ agents: 1 });
  await nodes.addMachine(OUTSIDE);
  await provideImage([nodes.first, nodes.machine("n2")]);
  const local = { type: "NodePort", externalTrafficPolicy: "Local", selector: { name: "web-n1" } };
  const only = (name: string) => ({ selector: { name } });
  const named = (name: string, node: string) => {
    const pod = web(name, node);
    return { ...pod, metadata: { ...pod.metadata, labels: { ...pod.metadata.labels, name } } };
  };
  await nodes.first.apply(
    named("web-n1", "n1"),
    named("web-n2", "n2"),
    service("web"),
    service("open", { type: "NodePort", ports: [{ port: 80, targetPort: 8080, nodePort: 30080 }] }),
    service("kept", { ...local, ports: [{ port: 80, targetPort: 8080, nodePort: 30081 }] }),
    service("inside", { ...only("web-n2"), internalTrafficPolicy: "Local" }),
    service("self", only("web-n1")),
    service("nobody", only("nobody")),
    service("sticky", {
      sessionAffinity: "ClientIP",
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 2 } },
    }),
    service("alias", { type: "ExternalName", externalName: "web.default.svc.cluster.local", ports: undefined }),
    service("balanced", { type: "LoadBalancer", loadBalancerSourceRanges: [`${nodes.addressOf(OUTSIDE)}/32`] }),
    service("datagrams", { ...only("web-n1"), ports: [{ protocol: "UDP", port: 53, targetPort: 5353 }] }),
  );
  await nodes.kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s");
  const pods = await podsOf(nodes, "app=web");
  const [first, second] = ["web-n1", "web-n2"].map((name) => pods.find((pod) => pod.name === name)!);
  const addressOf = (name: string) => nodes.kubectl("get", "service", name, "-o", "jsonpath={.spec.clusterIP}");
  const fetchFrom = async ({ uid, node }: RunningPod, url: string) => {
    const { code, stdout, stderr } = await nodes.machine(node).runInPod(uid, ["wget", "-q", "-O-", url]);
    equal(code, 0, `${url} from ${node}: ${stderr}`);
    return stdout.trim();
  };
  /** @returns what was answered, or the name of the error */
  const fetchOn = async (machine: string, url: string) => {
    const { code, stdout, stderr } = await nodes.run(machine, ["curl", "-sS", "-m", `${SILENCE_SECONDS}`, url]);
    if (code === TIMED_OUT) return "silence";
    return code === 0 ? stdout.trim() : code === REFUSED ? "refused" : stderr;
  };

  await t.step("a node port answers on every node, also for those outside", async () => {
    for (const node of ["n1", "n2"]) {
      await eventually(async () =>
        match(await fetchOn(OUTSIDE, `http://${nodes.addressOf(node)}:30080/`), /^web-n[12]$/)
      );
    }
  });

  await t.step("where it is asked for, the address of who is outside is kept, and only its node answers", async () => {
    const peer = await fetchOn(OUTSIDE, `http://${nodes.addressOf("n1")}:30081/cgi-bin/peer`);
    equal(peer, `[::ffff:${nodes.addressOf(OUTSIDE)}]`);
    equal(await fetchOn(OUTSIDE, `http://${nodes.addressOf("n2")}:30081/`), "silence");
    const translated = await fetchOn(OUTSIDE, `http://${nodes.addressOf("n1")}:30080/cgi-bin/peer`);
    ok(!translated.includes(nodes.addressOf(OUTSIDE)), translated);
    equal(await fetchFrom(second!, `http://${nodes.addressOf("n2")}:30081/`), "web-n1", "pods are not outside");
  });

  await t.step("of internal traffic that stays on its node, only that node's pods see an answer", async () => {
    const address = await addressOf("inside");
    equal(await fetchFrom(second!, `http://${address}/`), "web-n2");
    equal(await fetchOn("n1", `http://${address}/`), "silence");
  });

  await t.step("a pod reaches itself through its Service", async () => {
    equal(await fetchFrom(first!, `http://${await addressOf("self")}/`), "web-n1");
  });

  await t.step("a Service without endpoints refuses at once", async () => {
    for (const node of ["n1", "n2"]) equal(await fetchOn(node, `http://${await addressOf("nobody")}/`), "refused");
  });

  await t.step(
    "so does a port that a Service does not have, and no Service is silent",
    async () => {
      const address = await addressOf("web");
      const dns = await nodes.kubectl("get", "service", "-A", "-o", "jsonpath={..clusterIP}");
      const none = [200, 201, 202].map((last) => `10.43.255.${last}`).find((one) => !dns.includes(one))!;
      for (const node of ["n1", "n2"]) {
        equal(await fetchOn(node, `http://${address}:81/`), "refused");
        equal(await fetchOn(node, `http://${none}/`), "silence");
        equal(await fetchOn(node, "http://10.43.0.10:81/"), "refused", "the cluster's DNS, which is the machine's own");
      }
      for (const { uid, node } of [first!, second!]) {
        const { code, stderr } = await nodes.machine(node).runInPod(uid, ["nc", "-w", "5", address, "81"]);
        equal(code, 1);
        match(stderr, /refused/);
        const datagrams = await nodes.machine(node).commandInPodNetwork(uid, ["bash", "-c", UDP_REFUSED, address]);
        equal((await datagrams.output()).code, REFUSED);
      }
    },
  );

  await t.step("a client comes back to its endpoint, until it has stayed away for long enough", async () => {
    const url = `http://${await addressOf("sticky")}/`;
    const seen = new Set<string>();
    await eventually(async () => {
      const endpoint = await fetchFrom(first!, url);
      for (let again = 0; again < 10; again++) equal(await fetchFrom(first!, url), endpoint);
      seen.add(endpoint);
      // Longer than the Service remembers.
      await delay(2_500);
      equal(seen.size, 2, "only one endpoint was ever chosen");
    }, 60);
  });

  await t.step(
    "what a client remembers of its endpoint outlives a change of other Services, and the agent",
    async () => {
      await nodes.kubectl(
        "patch",
        "service",
        "sticky",
        "-p",
        '{"spec":{"sessionAffinityConfig":{"clientIP":{"timeoutSeconds":600}}}}',
      );
      const url = `http://${await addressOf("sticky")}/`;
      await delay(2_500); // what was remembered for 2 s is forgotten
      const endpoint = await eventually(async () => {
        const chosen = await fetchFrom(first!, url);
        for (let again = 0; again < 5; again++) equal(await fetchFrom(first!, url), chosen);
        return chosen;
      });
      await nodes.first.apply(service("another"));
      Deno.kill(await nodes.pidOf("agent", "n1"), "SIGKILL");
      await nodes.first.apply(service("and-another"));
      await eventually(async () => match(await fetchOn("n1", `http://${await addressOf("and-another")}/`), /^web-/));
      for (let again = 0; again < 10; again++) equal(await fetchFrom(first!, url), endpoint);
    },
  );

  await t.step("an external name is an alias", async () => {
    match(await fetchFrom(first!, "http://alias.default.svc.cluster.local/"), /^web-n[12]$/);
  });

  await t.step("a load balancer's address leads to the Service, for those whom it names", async () => {
    const balancer = "203.0.113.7";
    const status = JSON.stringify({ status: { loadBalancer: { ingress: [{ ip: balancer }] } } });
    await nodes.kubectl("patch", "service", "balanced", "--subresource=status", "--type=merge", "-p", status);
    for (const machine of [OUTSIDE, "n8"]) {
      if (machine === "n8") await nodes.addMachine("n8");
      const { code, stderr } = await nodes.run(machine, ["ip", "route", "add", balancer, "via", nodes.addressOf("n1")]);
      equal(code, 0, stderr);
    }
    await eventually(async () => match(await fetchOn(OUTSIDE, `http://${balancer}/`), /^web-n[12]$/));
    equal(await fetchOn("n8", `http://${balancer}/`), "silence");
  });

  await t.step("a host port leads to its container, and goes with it", async () => {
    const pod = web("port", "n2");
    const [container] = pod.spec.containers;
    const onLoopback = { containerPort: 8080, hostPort: 9091, hostIP: "127.0.0.1" };
    const ports = [{ containerPort: 8080, hostPort: 9090 }, onLoopback];
    await nodes.first.apply({ ...pod, spec: { ...pod.spec, containers: [{ ...container, ports }] } });
    const url = `http://${nodes.addressOf("n2")}:9090/`;
    await eventually(async () => equal(await fetchOn(OUTSIDE, url), "port"));
    await eventually(async () => equal(await fetchOn("n2", "http://127.0.0.1:9091/"), "port"));
    equal(await fetchOn(OUTSIDE, `http://${nodes.addressOf("n2")}:9091/`), "refused");
    await nodes.kubectl("delete", "pod", "port");
    await eventually(async () => equal(await fetchOn(OUTSIDE, url), "refused"));
  });

  await t.step("a flow of datagrams follows the Service to another endpoint", async () => {
    const servers = await Promise.all(
      [first!, second!].map(async (pod) =>
        (await nodes.machine(pod.node).commandInPodNetwork(pod.uid, [Deno.execPath(), "eval", UDP_SERVER, pod.name]))
          .spawn()
      ),
    );
    const ask = [Deno.execPath(), "eval", UDP_CLIENT, await addressOf("datagrams")];
    const client = nodes.machine("n2").command(ask, { stdin: "null" }).spawn();
    let late: ReturnType<typeof setTimeout> | undefined;
    try {
      late = setTimeout(() => signalIfAlive(client, "SIGKILL"), UDP_MS_MAX);
      const answers = client.stdout.pipeThrough(new TextDecoderStream()).getReader();
      const answeredBy = async (name: string) => {
        for (let text = ""; !text.includes(name);) {
          const { value, done } = await answers.read();
          if (done) throw new Error(`${name} never answered: ${await new Response(client.stderr).text()}`);
          text += value;
        }
      };
      await answeredBy("web-n1");
      await nodes.kubectl("patch", "service", "datagrams", "-p", '{"spec":{"selector":{"name":"web-n2"}}}');
      await answeredBy("web-n2");
      await answers.cancel();
    } finally {
      clearTimeout(late);
      for (const child of [client, ...servers]) signalIfAlive(child, "SIGKILL");
      await Promise.all([client, ...servers].map((child) => child.status));
    }
  });

  await t.step("rules that somebody takes away come back", async () => {
    const url = `http://${await addressOf("web")}/`;
    const { code, stderr } = await nodes.run("n2", ["nft", "flush", "ruleset"]);
    equal(code, 0, stderr);
    await eventually(async () => match(await fetchOn("n2", url), /^web-n[12]$/));
  });

  await t.step("nothing of a Service stays behind", async () => {
    const all = (await nodes.kubectl("get", "services", "-o", "name")).trim().split("\n");
    await nodes.kubectl("delete", ...all.filter((name) => name !== "service/kubernetes"));
    await eventually(async () => {
      for (const node of ["n1", "n2"]) {
        const { stdout } = await nodes.run(node, ["nft", "list", "table", "ip", "k3ts"]);
        deepEqual(stdout.match(/(?:service|external|clients|guard|endpoint)-default-(?!kubernetes)\S+/g) ?? [], []);
      }
    });
  });
});
