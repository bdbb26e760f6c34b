/** The same pods, run by other OCI runtimes. */
import { equal, match, ok } from "node:assert/strict";
import { ensurePeer } from "@k3ts/tools/peers";
import { eventually } from "./cluster.ts";
import { pod, PodCluster, script, sleeper } from "./pod_cluster.ts";

Deno.test("runc runs pods as crun does, when a flag says so", async () => {
  await ensurePeer("runc");
  await runsPods("runc", /^runc:\/\/\d/, { confinesExec: true });
});

// Its path, as it is wherever its user has built it.
Deno.test("so does youki, once it leaves signals alone", async () => {
  await runsPods(await ensurePeer("youki"), /^youki[-.\d]*:\/\/\d/, { confinesExec: false });
});

Deno.test("a pod has as many processes as the node lets it, and takes none from others", async () => {
  await using pods = await PodCluster.start("--pod-pids-limit", "40");
  const fill = (count: number) => `for i in $(seq ${count}); do sleep 3600 & done; echo filled; wait`;
  await pods.apply(
    pod("others", { containers: [sleeper()] }),
    pod("greedy", { restartPolicy: "Never", containers: [script(fill(100))] }),
    // What its containers have counts together: the second one has its turn when it is told that the first has had its.
    pod("pair", {
      restartPolicy: "Never",
      containers: [
        script(fill(30), { name: "first" }),
        script(`until [ -e /tmp/turn ]; do sleep 0.1; done; ${fill(30)}`, { name: "second" }),
      ],
    }),
    pod("bomb", { containers: [script("bomb() { bomb | bomb & }; bomb; sleep 3600")] }),
  );
  await pods.ready("others");
  await pods.becomes("greedy", ".status.phase", "Failed");
  match(await pods.logs("greedy"), /can't fork/);
  await pods.ready("pair");
  await eventually(async () => match(await pods.logs("pair", "-c", "first"), /filled/));
  await pods.cluster.kubectl("exec", "pair", "-c", "second", "--", "touch", "/tmp/turn");
  await pods.becomes("pair", '.status.containerStatuses[?(@.name=="second")].state.terminated.exitCode', "2");
  match(await pods.logs("pair", "-c", "second"), /can't fork/);
  equal(await pods.exec("others", "echo", "here"), "here\n");
  match(await pods.cluster.kubectl("get", "nodes"), / Ready /);
  await pods.delete("bomb", "--timeout=60s");
});

/** @param confinesExec whether seccomp is for what is started in a container later, too */
async function runsPods(
  runtime: string,
  version: RegExp,
  { confinesExec }: { confinesExec: boolean },
): Promise<void> {
  await using pods = await PodCluster.start("--runtime", runtime);
  match(
    await pods.cluster.kubectl("get", "nodes", "-o", "jsonpath={.items[0].status.nodeInfo.containerRuntimeVersion}"),
    version,
  );
  await pods.apply(
    pod("plain", {
      containers: [sleeper({
        resources: { limits: { memory: "32Mi" } },
        readinessProbe: { exec: { command: ["true"] }, periodSeconds: 1 },
      })],
    }),
    pod("less", {
      shareProcessNamespace: true,
      securityContext: { runAsUser: 1000 },
      containers: [sleeper({ securityContext: { readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } } })],
    }),
    pod("privileged", { containers: [sleeper({ securityContext: { privileged: true } })] }),
    pod("ends", { restartPolicy: "Never", containers: [script("exit 3")] }),
    // It only ends when writing into a pipe that nobody reads ends a program.
    pod("pipes", { restartPolicy: "Never", containers: [script("yes | head -n 1; exit 4")] }),
  );
  for (const name of ["plain", "less", "privileged"]) await pods.ready(name);
  match(await pods.exec("plain", "grep", "Seccomp:", "/proc/1/status"), /\s2\n/);
  match(await pods.exec("plain", "grep", "Seccomp:", "/proc/self/status"), confinesExec ? /\s2\n/ : /\s0\n/);
  match(await pods.exec("less", "id"), /uid=1000/);
  match(await pods.exec("privileged", "grep", "Seccomp:", "/proc/1/status"), /\s0\n/);
  for (const process of ["1", "self"]) {
    // SIGPIPE is number 13: the first bit of the fourth digit from the end.
    match(await pods.exec("plain", "grep", "SigIgn:", `/proc/${process}/status`), /[02468ace][\da-f]{3}\n$/);
  }
  equal(await pods.exec("plain", "sh", "-c", "yes | head -n 1"), "y\n");
  await pods.becomes("ends", ".status.containerStatuses[0].state.terminated.exitCode", "3");
  await pods.becomes("pipes", ".status.containerStatuses[0].state.terminated.exitCode", "4");
  const missing = await pods.cluster.run([pods.cluster.kubectlPath, "exec", "plain", "--", "no-such-program"]);
  equal(missing.code, 127);
  match(missing.stderr, /no-such-program/);
  ok(!missing.stderr.includes("\u001b"), missing.stderr);
  // Who ends a container from inside may be ended along with it.
  const ended = await pods.cluster.run([pods.cluster.kubectlPath, "exec", "plain", "--", "kill", "-TERM", "1"]);
  ok(ended.code === 0 || ended.code === 137, ended.stderr);
  await eventually(async () => equal(await pods.jsonpath("plain", ".status.containerStatuses[0].restartCount"), "1"));
  // Its containers are another's to end as little as another's are its own.
  await pods.cluster.interrupt();
  await pods.cluster.up();
  await pods.ready("plain");
}
