/** The first path of a newcomer, by unmodified kubectl, on one cluster. */
import { deepEqual as assertEquals, equal, match } from "node:assert/strict";
import { ensureKubectl, KUBECTL_VERSIONS, type KubectlVersion } from "@k3ts/tools/kubectl";
import { eventually, ROOT, TestCluster } from "./cluster.ts";

const EXAMPLE = `${ROOT}/examples/hello/hello.yaml`;

for (const version of KUBECTL_VERSIONS) {
  const words = `kubectl ${version}: apply, get, describe, logs, exec, scale, rollout, Services, DNS, delete`;
  Deno.test(words, (t) => runExample(version, t));
}

async function runExample(version: KubectlVersion, t: Deno.TestContext): Promise<void> {
  await using cluster = await TestCluster.start("--demo");
  cluster.kubectlPath = await ensureKubectl(version);
  await cluster.says("Hello from k3ts");
  const pods = async () =>
    (await cluster.kubectl("get", "pods", "-l", "app=hello", "--field-selector", "status.phase=Running", "-o", "name"))
      .trim().split("\n");
  const [first] = await eventually(async () => {
    const names = await pods();
    equal(names.length, 2);
    return names;
  }, 60);

  await t.step("apply finds nothing to change, from the client's side and the server's", async () => {
    await cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", EXAMPLE);
    match(await cluster.kubectl("apply", "-f", EXAMPLE), /deployment.apps\/hello (unchanged|configured)/);
    match(await cluster.kubectl("apply", "-f", EXAMPLE), /deployment.apps\/hello unchanged/);
  });

  await t.step("get -o wide shows node and address", async () => {
    match(await cluster.kubectl("get", "pods", "-o", "wide"), /hello-\S+ +1\/1 +Running +0 +\S+ +10\.42\.0\.\d+ +n1/);
  });

  await t.step("describe shows what happened", async () => {
    match(await cluster.kubectl("describe", first!), /Scheduled[\s\S]*Started/);
    match(await cluster.kubectl("describe", "replicaset"), /SuccessfulCreate[\s\S]*Created pod: hello-/);
    match(await cluster.kubectl("describe", "service/hello"), /Endpoints: +10\.42\.0\.\d+:8080/);
  });

  await t.step("logs -f follows what the container writes", async () => {
    const child = cluster.command([cluster.kubectlPath, "logs", "-f", "--tail=1", first!], { stdin: "null" }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    try {
      let seen = "";
      while (!seen.includes("response:200")) {
        const { value, done } = await reader.read();
        if (done) throw new Error(`kubectl logs -f ended: ${await new Response(child.stderr).text()}`);
        seen += value;
      }
    } finally {
      child.kill("SIGKILL");
      await reader.cancel();
      await child.status;
    }
  });

  await t.step("exec passes streams and the exit code", async () => {
    const said = await cluster.run([
      cluster.kubectlPath,
      "exec",
      "-i",
      first!,
      "--",
      "sh",
      "-c",
      "cat; echo err >&2; exit 7",
    ], { input: "through\n" });
    assertEquals([said.code, said.stdout], [7, "through\n"]);
    match(said.stderr, /^err\n/);
  });

  await t.step("an exec that is refused says why", async () => {
    const said = await cluster.run([cluster.kubectlPath, "exec", first!, "-c", "nobody", "--", "true"]);
    match(said.stderr, /container nobody is not valid for pod hello-/);
  });

  await t.step("scale and rollout status", async () => {
    await cluster.kubectl("scale", "deployment/hello", "--replicas=3");
    await cluster.kubectl("rollout", "status", "deployment/hello", "--timeout=60s");
    await cluster.kubectl("set", "env", "deployment/hello", "GREETING=hello");
    match(await cluster.kubectl("rollout", "status", "deployment/hello", "--timeout=60s"), /successfully rolled out/);
    await cluster.kubectl("scale", "deployment/hello", "--replicas=2");
    await cluster.kubectl("rollout", "status", "deployment/hello", "--timeout=60s");
  });

  await t.step("a client pod resolves the Service's name and reaches both replicas through its address", async () => {
    const manifest = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "client" },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [{ name: "client", image: "busybox:1.37", command: ["sleep", "3600"] }],
      },
    };
    await cluster.run([cluster.kubectlPath, "apply", "-f", "-"], { input: JSON.stringify(manifest) });
    await cluster.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s");
    const answered = new Set<string>();
    await eventually(async () => {
      answered.add(
        (await cluster.kubectl(
          "exec",
          "client",
          "--",
          "wget",
          "-q",
          "-O-",
          "http://hello.default.svc.cluster.local/pod",
        )).trim(),
      );
      equal(answered.size, 2);
    });
    match(
      await cluster.kubectl("exec", "client", "--", "nslookup", "hello.default.svc.cluster.local"),
      /Address: 10\.43\./,
    );
    const missing = await cluster.run([
      cluster.kubectlPath,
      "exec",
      "client",
      "--",
      "nslookup",
      "nobody.default.svc.cluster.local",
    ]);
    match(missing.stdout + missing.stderr, /NXDOMAIN/);
  });

  await t.step("delete removes it, pods included", async () => {
    await cluster.kubectl("delete", "-f", EXAMPLE, "--timeout=60s");
    await eventually(async () => equal(await cluster.kubectl("get", "pods", "-l", "app=hello", "-o", "name"), ""), 60);
  });
}
