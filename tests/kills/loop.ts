/** What users do all day, again and again: get, apply, exec, delete. */
import { equal, match } from "node:assert/strict";
import type { TestCluster } from "../e2e/cluster.ts";

/** One turn: a pod and a ConfigMap come, are used and go. @throws when any of it fails */
export async function turn(cluster: TestCluster, number: number): Promise<void> {
  const name = `turn-${number}`;
  const objects = [
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { number: `${number}` } },
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [{
          name: "c",
          image: "busybox:1.37",
          command: ["sh", "-c", "echo started; sleep 1000000"],
          envFrom: [{ configMapRef: { name } }],
        }],
      },
    },
  ];
  const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
  const applied = await cluster.run([cluster.kubectlPath, "apply", "-f", "-"], { input });
  equal(applied.code, 0, applied.stderr);
  await cluster.kubectl("wait", "--for=condition=Ready", `pod/${name}`, "--timeout=60s");
  match(await cluster.kubectl("get", "pods,configmaps"), new RegExp(name));
  equal(await cluster.kubectl("exec", name, "--", "sh", "-c", "echo $number"), `${number}\n`);
  equal(await cluster.kubectl("logs", name), "started\n");
  await cluster.kubectl("delete", "pod,configmap", name);
}
