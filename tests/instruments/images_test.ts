/** The images of the conformance suite do what the suite asks of them, imported and pulled, on two real nodes. */
import { deepEqual, equal, match } from "node:assert/strict";
import { IMAGES, importImages, mirrorSettings } from "@k3ts/tools/images";
import { eventually, ROOT } from "../e2e/machine.ts";
import { TestNodes } from "../e2e/nodes.ts";

const LOGIN = { username: "puller", password: "of-images" };
const PORT = 5000;

type Values = Record<string, unknown>;

const image = (name: string) => {
  const found = IMAGES.find((row) => row.name.endsWith(`/${name}`));
  if (found === undefined) throw new Error(`There is no image "${name}"`);
  return found.name;
};

/** One container on n1, which has all images, that never asks for another. */
function pod(name: string, imageName: string, container: Values = {}, spec: Values = {}): Values {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app: name } },
    spec: {
      nodeName: "n1",
      terminationGracePeriodSeconds: 0,
      restartPolicy: "Never",
      containers: [{ name: "main", image: image(imageName), imagePullPolicy: "Never", ...container }],
      ...spec,
    },
  };
}

/** On n2, which has none. */
function pulled(name: string, imageName: string): Values {
  return pod(name, imageName, { imagePullPolicy: "Always" }, { nodeName: "n2" });
}

/** `deno task images --serve` on a machine, until it is disposed of. */
async function serving(nodes: TestNodes, name: string) {
  const address = `${nodes.addressOf(name)}:${PORT}`;
  const words = ["--serve", address, "--login", `${LOGIN.username}:${LOGIN.password}`];
  const command = [Deno.execPath(), "run", "-A", `${ROOT}/tools/images/main.ts`, ...words];
  const child = nodes.machine(name).command(command, { stdin: "null", stdout: "null", stderr: "inherit" }).spawn();
  await eventually(async () => equal((await nodes.run(name, ["curl", "-s", `http://${address}/v2/`])).code, 0));
  return {
    address,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.status;
    },
  };
}

Deno.test("the images of the suite are what it expects", async (t) => {
  await using nodes = await TestNodes.start({ agents: 1 });
  const { first } = nodes;
  const wait = (condition: string, ...names: string[]) =>
    nodes.kubectl("wait", `--for=${condition}`, "--timeout=60s", ...names.map((name) => `pod/${name}`));
  const ready = (...names: string[]) => wait("condition=Ready", ...names);
  const ended = (...names: string[]) => wait("jsonpath={.status.phase}=Succeeded", ...names);
  const logs = async (name: string) => (await nodes.kubectl("logs", name)).trim();
  const sh = (name: string, script: string) => nodes.kubectl("exec", name, "--", "sh", "-c", script);
  const address = (name: string) => nodes.kubectl("get", "pod", name, "-o", "jsonpath={.status.podIP}");

  await t.step("all of them are imported into a node, and listed under their names", async () => {
    await importImages([first]);
    const listed = await nodes.k3ts("image", "list", "--data-dir", first.dataDir);
    for (const { name } of IMAGES) match(listed, new RegExp(`^${RegExp.escape(name)}\\s`, "m"));
  });

  await t.step("agnhost has its commands, its users and the programs that are run in it", async () => {
    const agnhost = (name: string, ...args: string[]) => pod(name, "agnhost:2.59", { args });
    const others = ["audit-proxy", "crd-conversion-webhook", "fake-gitserver", "grpc-health-checking", "guestbook"]
      .concat("inclusterclient", "liveness", "mounttest", "porter", "resource-consumer-controller", "webhook");
    await first.apply(
      agnhost("netexec", "netexec", "--http-port=8080", "--udp-port=8081"),
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "netexec" },
        spec: { selector: { app: "netexec" }, ports: [{ port: 80, targetPort: 8080 }] },
      },
      pod("pauses", "agnhost:2.55"),
      agnhost("hostname", "serve-hostname"),
      agnhost("entry", "entrypoint-tester", "override", "arguments"),
      pod("entry-2", "agnhost:2.59", { command: ["/agnhost-2", "entrypoint-tester"] }),
      agnhost("registry", "fake-registry-server", "--private"),
      ...others.map((command) => agnhost(`help-${command}`, command, "--help")),
      agnhost("logs", "logs-generator", "--log-lines-total=5", "--run-duration=1s"),
      pod("users", "agnhost:2.59", { command: ["id"] }, { securityContext: { runAsUser: 1000 } }),
      pod("dns", "agnhost:2.59", {
        command: [
          "sh",
          "-c",
          "printf '. {\\n hosts {\\n  192.0.2.1 a.example\\n }\\n log\\n}\\n' >/Corefile; exec /coredns -conf /Corefile",
        ],
      }),
    );
    await ready("netexec", "pauses", "hostname", "registry", "dns");
    await ended("entry", "entry-2", "logs", "users", ...others.map((command) => `help-${command}`));
    equal(await logs("entry"), "[/agnhost entrypoint-tester override arguments]");
    equal(await logs("entry-2"), "[/agnhost-2 entrypoint-tester]");
    equal((await logs("logs")).split("\n").length, 5);
    equal(
      await logs("users"),
      "uid=1000(user-defined-in-image) gid=1000(user-defined-in-image) groups=50000(group-defined-in-image)",
    );
    const [netexec, hostname, registry, dns] = await Promise.all(
      ["netexec", "hostname", "registry", "dns"].map(address),
    );
    const ask = (script: string) => sh("pauses", script).then((said) => said.trim());
    equal(await ask(`curl -sg --connect-timeout 5 http://${netexec}:8080/hostname`), "netexec");
    equal(await ask(`curl -s http://${hostname}:9376`), "hostname");
    equal(await ask(`wget -T 5 -qO- http://netexec/hostname`), "netexec");
    equal(await ask(`echo hostName | nc -u -w 1 ${netexec} 8081`), "netexec");
    await ask(`nc -vz -w 2 ${netexec} 8080 2>&1`);
    equal(await ask(`dig +short a.example @${dns}`), "192.0.2.1");
    match(await ask(`curl -sL -u user:password http://${registry}:5000/v2/pause/manifests/testing`), /"manifests"/);
    match(
      await ask("ss -ltn; ip -br address; iperf --version 2>&1; ls -d /uploads /localhost.*"),
      /eth0.*iperf .*key/s,
    );
  });

  await t.step("jessie-dnsutils looks names up in every way that the suite knows", async () => {
    await first.apply(pod("jessie", "jessie-dnsutils:1.7", { command: ["sleep", "3600"] }));
    await ready("jessie");
    const name = "netexec.default.svc.cluster.local";
    const service = await nodes.kubectl("get", "service", "netexec", "-o", "jsonpath={.spec.clusterIP}");
    for (
      const command of [
        `dig +notcp +noall +answer +search netexec A`,
        `dig +tcp +noall +answer +search ${name} A`,
        `getent hosts netexec`,
        `nslookup ${name}`,
        `host ${name}`,
      ]
    ) match(await sh("jessie", command), new RegExp(RegExp.escape(service)), command);
    equal((await sh("jessie", "hostname; hostname -i")).trim(), `jessie\n${await address("jessie")}`);
  });

  await t.step("busybox is a shell with its programs; nonroot is one for user 1234", async () => {
    const script =
      "nslookup netexec.default.svc.cluster.local; wget -qO- http://netexec/hostname; stat -c ' %a' /tmp; id -u";
    await first.apply(
      pod("busybox", "busybox:1.37.0-1", { command: ["sh", "-c", script] }),
      pod("nonroot", "nonroot:1.4", { command: ["id", "-u"] }),
    );
    await ended("busybox", "nonroot");
    match(await logs("busybox"), /netexec 1777\n0$/);
    equal(await logs("nonroot"), "1234");
  });

  await t.step("nonewprivs tells whether it could become root", async () => {
    const escalates = (name: string, allowPrivilegeEscalation: boolean) =>
      pod(name, "nonewprivs:1.3", { securityContext: { runAsUser: 1000, allowPrivilegeEscalation } });
    await first.apply(escalates("may", true), escalates("may-not", false));
    await ended("may", "may-not");
    deepEqual([await logs("may"), await logs("may-not")], ["Effective uid: 0", "Effective uid: 1000"]);
  });

  await t.step("nginx, nautilus and kitten serve what they have", async () => {
    await first.apply(
      pod("pause", "pause:3.10.1"),
      pod("nginx", "nginx:1.14-4"),
      pod("nginx-new", "nginx:1.15-4"),
      pod("nautilus", "nautilus:1.7"),
      pod("kitten", "kitten:1.7"),
    );
    await ready("pause", "nginx", "nginx-new", "nautilus", "kitten");
    const type = async (
      name: string,
      path: string,
    ) => (await sh(
      "pauses",
      `curl -sS --retry 5 --retry-connrefused -o /tmp/got -w '%{http_code} %{content_type}' http://${await address(
        name,
      )}${path}`,
    ));
    for (const name of ["nginx", "nginx-new"]) equal(await type(name, "/"), "200 text/html");
    for (const name of ["nautilus", "kitten"]) {
      match(await type(name, `/${name}.jpg`), /^200 image\/jpeg/);
      match(await type(name, "/data.json"), /^200 application\/json/);
      equal((await sh("pauses", "tr -d ' \\n' </tmp/got")).trim(), `{"image":"${name}.jpg"}`);
    }
  });

  await t.step("sample-apiserver serves, with etcd beside it", async () => {
    const url = "http://127.0.0.1:2379";
    const flags = [`--etcd-servers=${url}`, "--authentication-skip-lookup", "--audit-log-path=-"];
    await first.apply(pod("apiserver", "sample-apiserver:1.29.2", {}, {
      containers: [
        { name: "sample-apiserver", image: image("sample-apiserver:1.29.2"), imagePullPolicy: "Never", args: flags },
        {
          name: "etcd",
          image: image("etcd:3.6.6-0"),
          imagePullPolicy: "Never",
          command: ["/usr/local/bin/etcd", "--listen-client-urls", url, "--advertise-client-urls", url],
        },
      ],
    }));
    await ready("apiserver");
    await eventually(async () => {
      match(await nodes.kubectl("logs", "apiserver", "-c", "sample-apiserver"), /Serving securely on \[::\]:443/);
    });
    const served = await sh("pauses", `curl -sSk https://${await address("apiserver")}/readyz`);
    match(served, /ok|forbidden/);
  });

  await t.step("a node that has none of them pulls them from where it is told to", async () => {
    await using registry = await serving(nodes, "n1");
    const n2 = nodes.machine("n2");
    await Deno.writeTextFile(`${n2.dataDir}/registries.yaml`, mirrorSettings(registry.address));
    await first.apply(pulled("refused", "pause:3.10.1"));
    await eventually(async () =>
      match(await nodes.kubectl("describe", "pod", "refused"), /401|UNAUTHORIZED|password/i)
    );
    await Deno.writeTextFile(`${n2.dataDir}/registries.yaml`, mirrorSettings(registry.address, LOGIN));
    await first.apply(pulled("pulled-pause", "pause:3.10.1"), pulled("pulled-agnhost", "agnhost:2.59"));
    await ready("pulled-pause", "pulled-agnhost");
    const id = (name: string) =>
      nodes.kubectl("get", "pod", name, "-o", "jsonpath={.status.containerStatuses[0].imageID}");
    equal(await id("pulled-pause"), await id("pause"));
  });
});
