/** How containers live and end: probes, hooks, sidecars, signals, last words, deadlines. */
import { deepEqual as assertEquals, equal, match, ok as assert } from "node:assert/strict";
import { eventually } from "./cluster.ts";
import { IMAGE, pod, PodCluster, script, sleeper } from "./pod_cluster.ts";

Deno.test("containers live and end as they are asked to", async (t) => {
  await using pods = await PodCluster.start();

  await t.step("probes of each kind are asked, and what they say is told", async () => {
    const serve = "mkdir /www; echo ok > /www/index.html; httpd -p 8080 -h /www; touch /up; sleep 3600";
    const fast = { periodSeconds: 1, failureThreshold: 1 };
    await pods.apply(pod("probed", {
      containers: [script(serve, {
        ports: [{ name: "http", containerPort: 8080 }],
        startupProbe: { exec: { command: ["test", "-e", "/up"] }, periodSeconds: 1, failureThreshold: 30 },
        readinessProbe: { httpGet: { port: "http", path: "/index.html" }, ...fast },
        livenessProbe: { tcpSocket: { port: 8080 }, ...fast },
      })],
    }));
    await pods.ready("probed");
    equal(await pods.jsonpath("probed", ".status.containerStatuses[0].started"), "true");
    await pods.exec("probed", "rm", "/www/index.html");
    await pods.becomes("probed", '.status.conditions[?(@.type=="Ready")].status', "False");
    match(
      await pods.jsonpath("probed", '.status.conditions[?(@.type=="Ready")].message'),
      /containers with unready status: \[main\]/,
    );
    await eventually(async () =>
      match(
        await pods.events("probed"),
        /Warning Unhealthy Readiness probe failed: HTTP probe failed with statuscode: 404/,
      )
    );
    equal(await pods.jsonpath("probed", ".status.containerStatuses[0].restartCount"), "0");
    // It goes on without its server.
    await pods.exec("probed", "killall", "httpd");
    await pods.becomes("probed", ".status.containerStatuses[0].restartCount", "1");
    await eventually(async () => {
      const events = await pods.events("probed");
      match(events, /Normal Killing Container main failed liveness probe, will be restarted/);
      match(events, /Liveness probe failed: dial tcp 10\.42\.\d+\.\d+:8080: connect: connection refused/);
    });
    await pods.ready("probed");
  });

  await t.step("a command that a probe begins is killed when its time is over", async () => {
    const readinessProbe = { exec: { command: ["sleep", "4321"] }, timeoutSeconds: 1, periodSeconds: 1 };
    await pods.apply(pod("slow-probe", { containers: [sleeper({ readinessProbe })] }));
    await eventually(async () =>
      match(
        await pods.events("slow-probe"),
        /Readiness probe failed: command timed out: "sleep 4321" timed out after 1s/,
      )
    );
    const count = async () =>
      (await pods.exec("slow-probe", "ps")).split("\n").filter((one) => /4321/.test(one)).length;
    await pods.becomes("slow-probe", ".status.phase", "Running");
    for (let looks = 0; looks < 5; looks++) assert(await count() <= 2, "at most one is under way, and one dies");
  });

  await t.step("init containers and sidecars come in order, and sidecars go last, in reverse", async () => {
    const noting = (name: string) =>
      script(`trap 'echo ${name} ends >> /notes/all; exit 0' TERM; echo ${name} >> /notes/all; sleep 3600 & wait`, {
        name,
        volumeMounts: [{ name: "notes", mountPath: "/notes" }],
      });
    const notes = `${pods.cluster.dataDir}/notes`;
    await Deno.mkdir(notes);
    await pods.apply(pod("sidecars", {
      terminationGracePeriodSeconds: 20,
      initContainers: [
        { ...noting("first"), restartPolicy: "Always" },
        script("echo once >> /notes/all", { name: "once", volumeMounts: [{ name: "notes", mountPath: "/notes" }] }),
        { ...noting("second"), restartPolicy: "Always" },
      ],
      containers: [noting("main")],
      volumes: [{ name: "notes", hostPath: { path: notes, type: "Directory" } }],
    }));
    await pods.ready("sidecars");
    match(await pods.cluster.kubectl("get", "pod", "sidecars"), /3\/3\s+Running/);
    await pods.delete("sidecars");
    assertEquals((await Deno.readTextFile(`${notes}/all`)).trim().split("\n"), [
      "first",
      "once",
      "second",
      "main",
      "main ends",
      "second ends",
      "first ends",
    ]);
  });

  await t.step("hooks run after the start and before the end, within the grace", async () => {
    const notes = `${pods.cluster.dataDir}/hooks`;
    await Deno.mkdir(notes);
    const hooked = script("trap 'echo term >> /notes/all; exit 0' TERM; sleep 3600 & wait", {
      volumeMounts: [{ name: "notes", mountPath: "/notes" }],
      lifecycle: {
        postStart: { exec: { command: ["sh", "-c", "sleep 1; echo started >> /notes/all"] } },
        preStop: { exec: { command: ["sh", "-c", "echo stopping >> /notes/all"] } },
      },
    });
    await pods.apply(pod("hooked", {
      terminationGracePeriodSeconds: 20,
      containers: [hooked, sleeper({ name: "after", lifecycle: { preStop: { sleep: { seconds: 1 } } } })],
      volumes: [{ name: "notes", hostPath: { path: notes } }],
    }));
    await pods.ready("hooked");
    equal(await Deno.readTextFile(`${notes}/all`), "started\n", "it is up when its hook has done its work");
    await pods.delete("hooked");
    equal(await Deno.readTextFile(`${notes}/all`), "started\nstopping\nterm\n");
  });

  await t.step("an agent that is killed while a hook runs begins it anew, and the pod ends in order", async () => {
    const notes = `${pods.cluster.dataDir}/killed`;
    await Deno.mkdir(notes);
    const hook = "echo begun >> /notes/all; sleep 2; echo done >> /notes/all";
    await pods.apply(pod("interrupted", {
      terminationGracePeriodSeconds: 60,
      containers: [
        script("trap 'echo term >> /notes/all; exit 0' TERM; sleep 3600 & wait", {
          volumeMounts: [{ name: "notes", mountPath: "/notes" }],
          lifecycle: { preStop: { exec: { command: ["sh", "-c", hook] } } },
        }),
      ],
      volumes: [{ name: "notes", hostPath: { path: notes } }],
    }));
    await pods.ready("interrupted");
    await pods.delete("interrupted", "--wait=false");
    await eventually(async () => match(await Deno.readTextFile(`${notes}/all`), /begun/));
    Deno.kill(await pods.cluster.pidOf("agent"), "SIGKILL");
    await pods.cluster.kubectl("wait", "--for=delete", "pod/interrupted", "--timeout=60s");
    match(await Deno.readTextFile(`${notes}/all`), /^begun\n(begun\n|done\n)*done\nterm\n$/);
  });

  await t.step("a hook that fails ends its container, and is told of without what it said", async () => {
    const lifecycle = { postStart: { exec: { command: ["sh", "-c", "echo secret; exit 7"] } } };
    await pods.apply(pod("bad-hook", { containers: [sleeper({ lifecycle })] }));
    await eventually(async () =>
      match(await pods.events("bad-hook"), /Warning FailedPostStartHook PostStartHook failed/)
    );
    await eventually(async () =>
      assert(Number(await pods.jsonpath("bad-hook", ".status.containerStatuses[0].restartCount")) >= 1)
    );
    assert(!(await pods.events("bad-hook")).includes("secret"));
    await pods.delete("bad-hook");
  });

  await t.step("a container is asked to end as it wants to be, and killed when it does not", async () => {
    await pods.apply(
      pod("stubborn", {
        terminationGracePeriodSeconds: 2,
        containers: [script("trap '' TERM; while true; do sleep 1; done")],
      }),
    );
    await pods.ready("stubborn");
    const began = Date.now();
    await pods.delete("stubborn");
    assert(Date.now() - began >= 2000, "it has its grace");
  });

  await t.step("last words come from a file, or from the log where that is asked for", async () => {
    const ends = (name: string, container: Record<string, unknown>) =>
      pod(name, { restartPolicy: "Never", containers: [container] });
    await pods.apply(
      ends("speaks", script("echo from the file > /dev/termination-log; echo log; exit 2")),
      ends("falls-back", script("echo from the log; exit 2", { terminationMessagePolicy: "FallbackToLogsOnError" })),
      ends("is-long", script("yes | head -c 100000 > /tmp/last; exit 1", { terminationMessagePath: "/tmp/last" })),
    );
    const message = ".status.containerStatuses[0].state.terminated.message";
    for (
      const [name, said] of [["speaks", /^from the file$/], ["falls-back", /^from the log$/], [
        "is-long",
        /^(y\n)+y?$/,
      ]] as const
    ) {
      await pods.becomes(name, ".status.phase", "Failed");
      match(await pods.jsonpath(name, message), said);
    }
    assert((await pods.jsonpath("is-long", message)).length <= 4096);
    equal(await pods.jsonpath("speaks", ".status.containerStatuses[0].state.terminated.reason"), "Error");
  });

  await t.step("memory that a child takes kills it, and the container is said to have been", async () => {
    await pods.apply(pod("child-eats", {
      restartPolicy: "Never",
      containers: [script("tail /dev/zero; exit 5", { resources: { limits: { memory: "16Mi" } } })],
    }));
    await pods.becomes("child-eats", ".status.containerStatuses[0].state.terminated.reason", "OOMKilled");
    equal(await pods.jsonpath("child-eats", ".status.containerStatuses[0].state.terminated.exitCode"), "5");
  });

  await t.step("a pod that outlives its deadline fails", async () => {
    await pods.apply(pod("late", { activeDeadlineSeconds: 2, containers: [sleeper()] }));
    await pods.becomes("late", ".status.phase", "Failed");
    equal(await pods.jsonpath("late", ".status.reason"), "DeadlineExceeded");
    match(
      await pods.events("late"),
      /Normal DeadlineExceeded Pod was active on the node longer than the specified deadline/,
    );
  });

  await t.step("a container's own rules bring it back in a pod that never restarts", async () => {
    await pods.apply(pod("rules", {
      restartPolicy: "Never",
      containers: [
        script("test -e /notes/once && exit 0; touch /notes/once; exit 42", {
          restartPolicy: "Never",
          restartPolicyRules: [{ action: "Restart", exitCodes: { operator: "In", values: [42] } }],
          volumeMounts: [{ name: "notes", mountPath: "/notes" }],
        }),
      ],
      volumes: [{ name: "notes", emptyDir: {} }],
    }));
    await pods.becomes("rules", ".status.phase", "Succeeded");
    equal(await pods.jsonpath("rules", ".status.containerStatuses[0].restartCount"), "1");
  });

  await t.step("namespaces that somebody has unmounted are made anew", async () => {
    await pods.apply(pod("unpinned", { containers: [sleeper()] }));
    await pods.ready("unpinned");
    const uid = await pods.jsonpath("unpinned", ".metadata.uid");
    for (const name of ["net", "ipc", "uts"]) {
      const { success } = await new Deno.Command("umount", {
        args: ["-l", `${pods.cluster.dataDir}/node/sandboxes/${uid}/${name}`],
      })
        .output();
      assert(success);
    }
    // It ends with its container, or without it: either way somebody looks at the pod again.
    await pods.cluster.run([pods.cluster.kubectlPath, "exec", "unpinned", "--", "kill", "-TERM", "1"]);
    await eventually(async () =>
      assert(Number(await pods.jsonpath("unpinned", ".status.containerStatuses[0].restartCount")) >= 1)
    );
    await pods.ready("unpinned");
    match(await pods.exec("unpinned", "hostname"), /^unpinned$/m);
  });

  await t.step("what people are told is in the kubelet's words", async () => {
    await pods.apply(
      pod("told", { restartPolicy: "Always", containers: [{ name: "main", image: IMAGE, command: ["false"] }] }),
    );
    await eventually(async () => match(await pods.events("told"), /Warning BackOff/), 60);
    const events = await pods.events("told");
    for (
      const said of [
        'Normal Pulled Container image "busybox:1.37" already present on machine and can be accessed by the pod',
        "Normal Created Container created",
        "Normal Started Container started",
      ]
    ) assert(events.includes(said), `${said} is not in\n${events}`);
    match(events, /Warning BackOff Back-off restarting failed container main in pod told_default\([0-9a-f-]{36}\)/);
  });
});
