/** A node whose disk a pod fills, its own server's disk too. */
import { equal, match } from "node:assert/strict";
import { eventually, TestCluster } from "./cluster.ts";
import { IMAGE } from "./pod_cluster.ts";
import { provideImage } from "./workloads.ts";

const DISK_MEGABYTES = 512;
/** To fill the disk, and for what follows, on a machine that is busy. */
const SECONDS_MAX = 180;

function pod(name: string, script: string) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app: name } },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{
        name: "main",
        image: IMAGE,
        command: ["sh", "-c", script],
        volumeMounts: [{ name: "data", mountPath: "/data" }],
      }],
      volumes: [{ name: "data", emptyDir: {} }],
    },
  };
}

/** Takes every block, and each that becomes free. */
const fills = (path: string) => `while :; do cat /dev/zero >> ${path}; sleep 0.1; done`;

Deno.test("a pod that fills the disk is put out, and all goes on", async () => {
  await using cluster = await TestCluster.prepare();
  await cluster.putOnDisk(DISK_MEGABYTES);
  await cluster.up();
  await provideImage([cluster]);
  await cluster.apply(pod("quiet", "sleep 3600"));
  await cluster.kubectl("wait", "--for=condition=Ready", "pod/quiet", "--timeout=120s");
  const quiet = await cluster.containers("app=quiet");
  const status = async (name: string, field: string) =>
    await cluster.kubectl("get", "pod", name, "-o", `jsonpath={.status.${field}}`);

  for (const [name, path] of [["in-volume", "/data/all"], ["in-root", "/all"]] as const) {
    await cluster.apply(pod(name, fills(path)));
    await eventually(async () => equal(await status(name, "reason"), "Evicted"), SECONDS_MAX);
    match(await status(name, "message"), /^The node was low on resource: ephemeral-storage\. /);
    equal(await status(name, "phase"), "Failed");
    // The server can write again, and the pod be deleted.
    await eventually(
      () => cluster.kubectl("delete", "pod", name, "--ignore-not-found", `--timeout=${SECONDS_MAX}s`),
      SECONDS_MAX,
    );
    equal(await cluster.containers("app=quiet"), quiet);
  }
});
