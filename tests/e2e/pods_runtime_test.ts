/** The same pods, run by another OCI runtime. */
import { equal, match, ok } from "node:assert/strict";
import { existsSync } from "node:fs";
import { eventually } from "./cluster.ts";
import { pod, PodCluster, script, sleeper } from "./pod_cluster.ts";

Deno.test({
  name: "runc runs pods as crun does, when a flag says so",
  ignore: !existsSync("/usr/sbin/runc") && !existsSync("/usr/bin/runc"),
  fn: async () => {
    await using pods = await PodCluster.start("--runtime", "runc");
    match(
      await pods.cluster.kubectl("get", "nodes", "-o", "jsonpath={.items[0].status.nodeInfo.containerRuntimeVersion}"),
      /^runc:\/\/\d/,
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
    );
    for (const name of ["plain", "less", "privileged"]) await pods.ready(name);
    match(await pods.exec("plain", "grep", "Seccomp:", "/proc/self/status"), /\s2\n/);
    match(await pods.exec("less", "id"), /uid=1000/);
    match(await pods.exec("privileged", "grep", "Seccomp:", "/proc/self/status"), /\s0\n/);
    await pods.becomes("ends", ".status.containerStatuses[0].state.terminated.exitCode", "3");
    const missing = await pods.cluster.run([pods.cluster.kubectlPath, "exec", "plain", "--", "no-such-program"]);
    equal(missing.code, 127);
    // Who ends a container from inside may be ended along with it.
    const ended = await pods.cluster.run([pods.cluster.kubectlPath, "exec", "plain", "--", "kill", "-TERM", "1"]);
    ok(ended.code === 0 || ended.code === 137, ended.stderr);
    await eventually(async () => equal(await pods.jsonpath("plain", ".status.containerStatuses[0].restartCount"), "1"));
    // Its containers are another's to end as little as another's are its own.
    await pods.cluster.interrupt();
    await pods.cluster.up();
    await pods.ready("plain");
  },
});
