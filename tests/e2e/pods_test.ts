/** What a pod may ask of its node: volumes, environment, init containers, restarts, limits, images from a registry. */
import { deepEqual as assertEquals, equal, match } from "node:assert/strict";
import { busyboxImage } from "@k3ts/tools/busybox-image";
import { eventually, TestCluster } from "./cluster.ts";

const IMAGE = "busybox:1.37";
const REGISTRY = "127.0.0.1:5000";

function pod(name: string, spec: Record<string, unknown>): Record<string, unknown> {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app: name } },
    spec: { terminationGracePeriodSeconds: 0, ...spec },
  };
}

Deno.test("pods get what they ask for", async (t) => {
  await using cluster = await TestCluster.start();
  const archive = `${cluster.dataDir}/busybox.tar`;
  await Deno.writeFile(archive, await busyboxImage());
  await cluster.k3ts("image", "import", archive, "--data-dir", cluster.dataDir);
  const apply = async (...objects: Record<string, unknown>[]) => {
    const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
    const { code, stderr } = await cluster.run([cluster.kubectlPath, "apply", "-f", "-"], { input });
    equal(code, 0, stderr);
  };
  const jsonpath = async (name: string, path: string) =>
    (await cluster.kubectl("get", "pod", name, "-o", `jsonpath={${path}}`)).trim();
  const ready = (name: string) => cluster.kubectl("wait", "--for=condition=Ready", `pod/${name}`, "--timeout=60s");

  await t.step("environment from every source, and volumes of every kind", async () => {
    await apply(
      {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "settings" },
        data: { color: "green", "file.txt": "from a ConfigMap\n" },
      },
      { apiVersion: "v1", kind: "Secret", metadata: { name: "keys" }, stringData: { password: "hunter2" } },
      pod("asks", {
        initContainers: [{
          name: "first",
          image: IMAGE,
          command: ["sh", "-c", "echo made > /work/by-init"],
          volumeMounts: [{ name: "work", mountPath: "/work" }],
        }],
        containers: [{
          name: "main",
          image: IMAGE,
          command: ["sleep", "3600"],
          env: [
            { name: "PLAIN", value: "a" },
            { name: "EXPANDED", value: "$(PLAIN)b $$(PLAIN)" },
            { name: "COLOR", valueFrom: { configMapKeyRef: { name: "settings", key: "color" } } },
            { name: "PASSWORD", valueFrom: { secretKeyRef: { name: "keys", key: "password" } } },
            { name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
            { name: "ADDRESS", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
            { name: "MEMORY", valueFrom: { resourceFieldRef: { resource: "limits.memory" } } },
          ],
          envFrom: [{ prefix: "FROM_", configMapRef: { name: "settings" } }],
          resources: { limits: { memory: "64Mi", cpu: "500m" } },
          volumeMounts: [
            { name: "work", mountPath: "/work" },
            { name: "settings", mountPath: "/settings" },
            { name: "keys", mountPath: "/keys", readOnly: true },
            { name: "memory", mountPath: "/memory" },
          ],
        }],
        volumes: [
          { name: "work", emptyDir: {} },
          { name: "memory", emptyDir: { medium: "Memory" } },
          { name: "settings", configMap: { name: "settings" } },
          { name: "keys", secret: { secretName: "keys", defaultMode: 0o400 } },
        ],
      }),
    );
    await ready("asks");
    const env = new Map(
      (await cluster.kubectl("exec", "asks", "--", "env")).split("\n").map((line) =>
        line.split(/=(.*)/s) as [string, string]
      ),
    );
    const names = ["PLAIN", "EXPANDED", "COLOR", "PASSWORD", "POD", "MEMORY", "FROM_color", "HOSTNAME"];
    assertEquals(names.map((name) => env.get(name)), [
      "a",
      "ab $(PLAIN)",
      "green",
      "hunter2",
      "asks",
      String(64 * 1024 * 1024),
      "green",
      "asks",
    ]);
    equal(env.get("ADDRESS"), await jsonpath("asks", ".status.podIP"));
    const read = await cluster.kubectl(
      "exec",
      "asks",
      "--",
      "sh",
      "-c",
      "cat /work/by-init /settings/file.txt /keys/password; stat -Lc ' %a' /keys/password; grep -c ' /memory tmpfs' /proc/mounts",
    );
    equal(read, "made\nfrom a ConfigMap\nhunter2 400\n1\n");
    equal(await jsonpath("asks", ".status.qosClass"), "Burstable");
  });

  await t.step("a changed ConfigMap reaches its volume", async () => {
    await cluster.kubectl(
      "patch",
      "configmap",
      "settings",
      "--patch",
      JSON.stringify({ data: { "file.txt": "changed\n" } }),
    );
    await eventually(async () =>
      equal(await cluster.kubectl("exec", "asks", "--", "cat", "/settings/file.txt"), "changed\n")
    );
  });

  await t.step("the API takes the pod's service account for what it is", async () => {
    const token = await cluster.kubectl(
      "exec",
      "asks",
      "--",
      "cat",
      "/var/run/secrets/kubernetes.io/serviceaccount/token",
    );
    const whoami = await cluster.kubectl(
      "auth",
      "whoami",
      "--kubeconfig=/dev/null",
      "--server=https://127.0.0.1:6443",
      `--certificate-authority=${cluster.dataDir}/pki/ca.crt`,
      `--token=${token}`,
      "-o",
      "jsonpath={.status.userInfo.username}",
    );
    equal(whoami, "system:serviceaccount:default:default");
  });

  await t.step("what fails is started again, later and later, and its last words are kept", async () => {
    await apply(
      pod("fails", { containers: [{ name: "main", image: IMAGE, command: ["sh", "-c", "echo last words; exit 3"] }] }),
    );
    await eventually(async () => match(await cluster.kubectl("get", "pod", "fails"), /CrashLoopBackOff/), 60);
    equal(await jsonpath("fails", ".status.containerStatuses[0].lastState.terminated.exitCode"), "3");
    equal(await cluster.kubectl("logs", "fails", "--previous"), "last words\n");
  });

  await t.step("what ends well with restartPolicy Never has succeeded", async () => {
    await apply(
      pod("ends", { restartPolicy: "Never", containers: [{ name: "main", image: IMAGE, command: ["true"] }] }),
    );
    await eventually(async () => equal(await jsonpath("ends", ".status.phase"), "Succeeded"));
  });

  await t.step("a container beyond its memory is killed and said to be", async () => {
    await apply(pod("eats", {
      restartPolicy: "Never",
      containers: [{
        name: "main",
        image: IMAGE,
        command: ["sh", "-c", "tail /dev/zero"],
        resources: { limits: { memory: "16Mi" } },
      }],
    }));
    await eventually(async () =>
      equal(await jsonpath("eats", ".status.containerStatuses[0].state.terminated.reason"), "OOMKilled")
    );
  });

  await t.step("an image is pulled from a registry, and one that is not there is said not to be", async () => {
    const config = `${cluster.dataDir}/registry.yaml`;
    await Deno.writeTextFile(
      config,
      `version: 0.1\nstorage: { filesystem: { rootdirectory: ${cluster.dataDir}/registry } }\nhttp: { addr: "${REGISTRY}" }\n`,
    );
    const registry = cluster.command(["docker-registry", "serve", config], {
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      const push = [
        "skopeo",
        "copy",
        "--insecure-policy",
        "--dest-tls-verify=false",
        `oci-archive:${archive}`,
        `docker://${REGISTRY}/team/box:1`,
      ];
      await eventually(async () => {
        const { code, stderr } = await cluster.run(push);
        equal(code, 0, stderr);
      });
      await apply(
        pod("pulled", { containers: [{ name: "main", image: `${REGISTRY}/team/box:1`, command: ["sleep", "3600"] }] }),
        pod("missing", { containers: [{ name: "main", image: `${REGISTRY}/team/nothing:1` }] }),
      );
      await ready("pulled");
      match(await cluster.k3ts("image", "list", "--data-dir", cluster.dataDir), /127\.0\.0\.1:5000\/team\/box:1/);
      await eventually(async () =>
        match(await cluster.kubectl("get", "pod", "missing"), /ErrImagePull|ImagePullBackOff/)
      );
      match(await cluster.kubectl("describe", "pod", "missing"), /Failed to pull|not found|Cannot pull/i);
    } finally {
      registry.kill("SIGTERM");
      await registry.status;
    }
  });
});
