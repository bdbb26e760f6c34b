/** Volumes: what they show, whose it is, when it changes, and that nothing of the machine shows through. */
import { equal, match, ok as assert } from "node:assert/strict";
import { eventually } from "./cluster.ts";
import { IMAGE, pod, PodCluster, script, sleeper } from "./pod_cluster.ts";

Deno.test("volumes show what they are to show", async (t) => {
  await using pods = await PodCluster.start();

  await t.step("all files of a projected volume change at once, and links stay where they are", async () => {
    await pods.apply(
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "pair" }, data: { a: "1", b: "1" } },
      {
        ...pod("watches", {
          containers: [
            script(
              "while cd /v/..data; do x=$(cat a 2>/dev/null); y=$(cat b 2>/dev/null); " +
                // What was replaced meanwhile is gone: that is no answer at all.
                '[ -z "$x" ] || [ -z "$y" ] || [ "$x" = "$y" ] || echo torn; done',
              {
                volumeMounts: [{ name: "v", mountPath: "/v" }],
              },
            ),
          ],
          volumes: [{
            name: "v",
            projected: {
              defaultMode: 0o440,
              sources: [
                { configMap: { name: "pair" } },
                { downwardAPI: { items: [{ path: "labels", fieldRef: { fieldPath: "metadata.labels" } }] } },
                { secret: { name: "missing", optional: true } },
              ],
            },
          }],
        }),
      },
    );
    await pods.ready("watches");
    for (const value of ["2", "3", "4"]) {
      await pods.cluster.kubectl("patch", "configmap", "pair", "-p", JSON.stringify({ data: { a: value, b: value } }));
      await eventually(async () => equal(await pods.exec("watches", "cat", "/v/a", "/v/b"), value + value));
    }
    equal(await pods.logs("watches"), "", "no reader has seen one file old and one new");
    equal(await pods.exec("watches", "readlink", "/v/a"), "..data/a\n");
    equal(await pods.exec("watches", "stat", "-Lc", "%a", "/v/a"), "440\n");
    await pods.cluster.kubectl("label", "pod", "watches", "color=blue");
    await eventually(async () => match(await pods.exec("watches", "cat", "/v/labels"), /color="blue"/));
    await pods.apply({ apiVersion: "v1", kind: "Secret", metadata: { name: "missing" }, stringData: { late: "here" } });
    await eventually(async () => equal(await pods.exec("watches", "cat", "/v/late"), "here"));
    const write = await pods.cluster.run([pods.cluster.kubectlPath, "exec", "watches", "--", "touch", "/v/x"]);
    match(write.stderr, /Read-only file system/);
  });

  await t.step("hostPath wants what its type says", async () => {
    const root = `${pods.cluster.dataDir}/host`;
    await Deno.mkdir(root);
    await Deno.writeTextFile(`${root}/file`, "content\n");
    const on = (name: string, path: string, type: string) =>
      pod(name, {
        containers: [sleeper({ volumeMounts: [{ name: "v", mountPath: "/v" }] })],
        volumes: [{ name: "v", hostPath: { path: `${root}/${path}`, type } }],
      });
    await pods.apply(
      on("dir", "made", "DirectoryOrCreate"),
      on("file", "made-file", "FileOrCreate"),
      on("is-file", "file", "File"),
      on("no-dir", "file", "Directory"),
      on("no-socket", "file", "Socket"),
      on("no-device", "file", "BlockDevice"),
    );
    for (const name of ["dir", "file", "is-file"]) await pods.ready(name);
    assert((await Deno.stat(`${root}/made`)).isDirectory && (await Deno.stat(`${root}/made-file`)).isFile);
    for (const name of ["no-dir", "no-socket", "no-device"]) {
      await eventually(async () => match(await pods.events(name), /Warning FailedMount .*hostPath type check failed/));
      equal(await pods.jsonpath(name, ".status.phase"), "Pending");
    }
  });

  await t.step("a subPath is one folder or file of its volume", async () => {
    await pods.apply(
      pod("below", {
        initContainers: [script("mkdir -p /v/a; echo deep > /v/a/file; ln -s a/file /v/link", {
          name: "init",
          volumeMounts: [{ name: "v", mountPath: "/v" }],
        })],
        containers: [sleeper({
          env: [{ name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
          volumeMounts: [
            { name: "v", mountPath: "/whole" },
            { name: "v", mountPath: "/a", subPath: "a" },
            { name: "v", mountPath: "/one", subPath: "link" },
            { name: "v", mountPath: "/mine", subPathExpr: "logs/$(POD)" },
          ],
        })],
        volumes: [{ name: "v", emptyDir: {} }],
      }),
    );
    await pods.ready("below");
    equal(
      await pods.exec("below", "sh", "-c", "cat /a/file /one; touch /mine/x; ls /whole/logs/below"),
      "deep\ndeep\nx\n",
    );
  });

  await t.step("no link leads a subPath out of its volume", async () => {
    const attack = (name: string, target: string, subPath: string) =>
      pod(name, {
        initContainers: [
          script(`ln -s ${target} /v/link`, { name: "init", volumeMounts: [{ name: "v", mountPath: "/v" }] }),
        ],
        containers: [sleeper({ volumeMounts: [{ name: "v", mountPath: "/out", subPath }] })],
        volumes: [{ name: "v", emptyDir: {} }],
      });
    await pods.apply(
      attack("absolute", "/", "link"),
      attack("climbing", "../../../..", "link/etc"),
      attack("magic", "/proc/self/root", "link/etc"),
    );
    for (const name of ["absolute", "climbing", "magic"]) {
      await eventually(async () =>
        match(
          await pods.jsonpath(name, ".status.containerStatuses[0].state.waiting.message"),
          /must stay inside its volume/,
        )
      );
    }
    const outright = await pods.cluster.run([pods.cluster.kubectlPath, "apply", "-f", "-"], {
      input: JSON.stringify(attack("outright", "x", "../etc")),
    });
    if (outright.code === 0) {
      await eventually(async () =>
        match(await pods.jsonpath("outright", ".status.containerStatuses[0].state.waiting.message"), /must stay inside/)
      );
    }
  });

  await t.step("what is kept in memory has its size, and what is kept on disk its limit", async () => {
    await pods.apply(
      pod("memory", {
        containers: [sleeper({ volumeMounts: [{ name: "m", mountPath: "/m" }] })],
        volumes: [{ name: "m", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } }],
      }),
      pod("grows", {
        containers: [script("dd if=/dev/zero of=/e/x bs=1M count=4 2>/dev/null; sleep 3600", {
          volumeMounts: [{ name: "e", mountPath: "/e" }],
        })],
        volumes: [{ name: "e", emptyDir: { sizeLimit: "1Mi" } }],
      }),
    );
    await pods.ready("memory");
    match(
      await pods.exec("memory", "sh", "-c", "dd if=/dev/zero of=/m/x bs=1M count=4 2>&1 || true"),
      /No space left on device/,
    );
    await pods.becomes("grows", ".status.reason", "Evicted", 90);
    equal(await pods.jsonpath("grows", ".status.phase"), "Failed");
    match(await pods.jsonpath("grows", ".status.message"), /Usage of EmptyDir volume "e" exceeds the limit "1Mi"/);
  });

  await t.step("an image's files can be mounted, for reading", async () => {
    await pods.apply(pod("image-volume", {
      containers: [sleeper({ volumeMounts: [{ name: "i", mountPath: "/image" }] })],
      volumes: [{ name: "i", image: { reference: IMAGE } }],
    }));
    await pods.ready("image-volume");
    match(
      await pods.exec("image-volume", "sh", "-c", "ls /image/bin/busybox; touch /image/x 2>&1 || true"),
      /busybox\n.*Read-only/,
    );
  });

  await t.step("a mount of the machine reaches a container that wants it to", async () => {
    const shared = `${pods.cluster.dataDir}/shared`;
    const mount = async (...args: string[]) => assert((await new Deno.Command("mount", { args }).output()).success);
    await Deno.mkdir(`${shared}/inner`, { recursive: true });
    await mount("--bind", shared, shared);
    await mount("--make-rshared", shared);
    try {
      const on = (name: string, mountPropagation: string) =>
        pod(name, {
          containers: [sleeper({ volumeMounts: [{ name: "v", mountPath: "/v", mountPropagation }] })],
          volumes: [{ name: "v", hostPath: { path: shared } }],
        });
      await pods.apply(on("follows", "HostToContainer"), on("apart", "None"));
      await pods.ready("follows");
      await pods.ready("apart");
      await mount("-t", "tmpfs", "tmpfs", `${shared}/inner`);
      const seen = async (name: string) => (await pods.exec(name, "cat", "/proc/mounts")).includes("/v/inner");
      assert(await seen("follows"));
      assert(!await seen("apart"));
    } finally {
      await new Deno.Command("umount", { args: ["-R", "-l", shared] }).output();
    }
  });
});
