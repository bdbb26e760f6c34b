/** What containers may do, and what they share: users, groups, capabilities, seccomp, namespaces, names. */
import { deepEqual as assertEquals, equal, match, ok as assert } from "node:assert/strict";
import { eventually } from "./cluster.ts";
import { pod, PodCluster, script, sleeper } from "./pod_cluster.ts";

const STATUS = "grep -E '^(Seccomp|NoNewPrivs|CapBnd|CapEff):' /proc/self/status | tr -s '\\t' ' '";

Deno.test("containers may do what they are allowed to, and no more", async (t) => {
  await using pods = await PodCluster.start();
  const status = async (name: string) =>
    new Map((await pods.logs(name)).trim().split("\n").map((line) => line.split(": ") as [string, string]));

  await t.step("a plain container is confined", async () => {
    await pods.apply(pod("plain", { containers: [script(`${STATUS}; sleep 3600`)] }));
    await pods.ready("plain");
    const plain = await status("plain");
    assertEquals([plain.get("Seccomp"), plain.get("NoNewPrivs")], ["2", "0"]);
    const unshare = await pods.cluster.run([pods.cluster.kubectlPath, "exec", "plain", "--", "unshare", "-U", "true"]);
    assert(unshare.code !== 0, "an exec is confined as its container is");
    match(unshare.stderr, /Operation not permitted/);
    match(
      await pods.exec("plain", "sh", "-c", "cat /proc/kcore | wc -c; echo 1 > /proc/sys/kernel/panic || true"),
      /^0/,
    );
  });

  await t.step("one that asks for less has less", async () => {
    await pods.apply(pod("less", {
      securityContext: { runAsUser: 1000, runAsGroup: 2000, supplementalGroups: [4000], fsGroup: 3000 },
      containers: [script(`${STATUS}; sleep 3600`, {
        securityContext: {
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ["ALL"] },
        },
        volumeMounts: [{ name: "e", mountPath: "/e" }],
      })],
      volumes: [{ name: "e", emptyDir: {} }],
    }));
    await pods.ready("less");
    const less = await status("less");
    assertEquals([less.get("NoNewPrivs"), less.get("CapBnd"), less.get("CapEff")], [
      "1",
      "0000000000000000",
      "0000000000000000",
    ]);
    equal(await pods.exec("less", "id"), "uid=1000 gid=2000 groups=3000,4000\n");
    match(
      await pods.exec("less", "sh", "-c", "touch /x 2>&1; touch /e/x; stat -c '%u %g' /e/x"),
      /Read-only[^]*1000 3000\n$/,
    );
    assertEquals(JSON.parse(await pods.jsonpath("less", ".status.containerStatuses[0].user.linux")), {
      uid: 1000,
      gid: 2000,
      supplementalGroups: [2000, 3000, 4000],
    });
  });

  await t.step("a privileged one has what the machine has", async () => {
    const securityContext = { privileged: true };
    await pods.apply(
      pod("privileged", {
        hostPID: true,
        hostIPC: true,
        hostNetwork: true,
        containers: [script(`${STATUS}; sleep 3600`, { securityContext })],
      }),
    );
    await pods.ready("privileged");
    equal((await status("privileged")).get("Seccomp"), "0");
    const own = /CapPrm:\s*(\S+)/.exec(await Deno.readTextFile("/proc/self/status"))![1];
    equal((await status("privileged")).get("CapEff"), own);
    equal((await pods.exec("privileged", "hostname")).trim(), Deno.hostname());
    assert(Number((await pods.exec("privileged", "sh", "-c", "ls /proc | grep -c '^[0-9]'")).trim()) > 5);
    await pods.exec("privileged", "test", "-c", "/dev/kmsg");
  });

  await t.step("seccomp is chosen: none, or a profile of the node's own", async () => {
    const folder = `${pods.cluster.dataDir}/node/seccomp`;
    await Deno.mkdir(folder, { recursive: true });
    const profile = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 1 }],
    };
    await Deno.writeTextFile(`${folder}/no-mkdir.json`, JSON.stringify(profile));
    const confined = (name: string, seccompProfile: Record<string, string>) =>
      pod(name, { containers: [sleeper({ securityContext: { seccompProfile } })] });
    await pods.apply(
      confined("unconfined", { type: "Unconfined" }),
      confined("localhost", { type: "Localhost", localhostProfile: "no-mkdir.json" }),
      confined("no-such", { type: "Localhost", localhostProfile: "nothing.json" }),
    );
    await pods.ready("unconfined");
    match(await pods.exec("unconfined", "grep", "Seccomp:", "/proc/1/status"), /\s0\n/);
    await pods.ready("localhost");
    match(await pods.exec("localhost", "sh", "-c", "mkdir /tmp/x 2>&1 || true"), /Operation not permitted/);
    await pods.becomes("no-such", ".status.containerStatuses[0].state.waiting.reason", "CreateContainerConfigError");
  });

  await t.step("who must not be root is not, and unsafe settings are refused", async () => {
    await pods.apply(
      pod("must-not", { securityContext: { runAsNonRoot: true }, containers: [sleeper()] }),
      pod("unsafe", { securityContext: { sysctls: [{ name: "kernel.msgmax", value: "1" }] }, containers: [sleeper()] }),
      pod("safe", {
        securityContext: { sysctls: [{ name: "net.ipv4.tcp_fin_timeout", value: "7" }] },
        containers: [sleeper()],
      }),
    );
    await pods.becomes("must-not", ".status.containerStatuses[0].state.waiting.reason", "CreateContainerConfigError");
    match(
      await pods.jsonpath("must-not", ".status.containerStatuses[0].state.waiting.message"),
      /container has runAsNonRoot and image will run as root/,
    );
    await pods.becomes("unsafe", ".status.reason", "SysctlForbidden");
    equal(await pods.jsonpath("unsafe", ".status.phase"), "Failed");
    await pods.ready("safe");
    equal(await pods.exec("safe", "cat", "/proc/sys/net/ipv4/tcp_fin_timeout"), "7\n");
  });

  await t.step("processes are shared where that is asked for, and their first one is nobody's way out", async () => {
    await pods.apply(pod("together", {
      shareProcessNamespace: true,
      containers: [
        script("exec sleep 4001", { name: "a" }),
        script("exec sleep 4002", { securityContext: { capabilities: { add: ["SYS_PTRACE"] } } }),
      ],
    }));
    await pods.ready("together");
    const inMain = (...command: string[]) =>
      pods.cluster.run([pods.cluster.kubectlPath, "exec", "together", "-c", "main", "--", ...command]);
    const seen = (await inMain("ps")).stdout;
    match(seen, /4001/);
    match(seen, /4002/);
    match(seen, /^\s+1 65535/m);
    const root = await inMain("ls", "-A", "/proc/1/root/");
    equal(root.stdout.trim(), "", "the first process's root is empty");
    // One container's end does not touch the other.
    await inMain("sh", "-c", "kill -9 $(ps | grep 'sleep 400[1]' | awk '{print $1}')");
    const restarts = (name: string) =>
      pods.jsonpath("together", `.status.containerStatuses[?(@.name=="${name}")].restartCount`);
    await eventually(async () => equal(await restarts("a"), "1"));
    equal(await restarts("main"), "0");
  });

  await t.step("a pod has the names and the resolver that it asks for", async () => {
    await pods.apply(pod("named", {
      hostname: "host",
      subdomain: "sub",
      setHostnameAsFQDN: true,
      hostAliases: [{ ip: "192.0.2.7", hostnames: ["seven.example"] }],
      dnsPolicy: "None",
      dnsConfig: {
        nameservers: ["192.0.2.53"],
        searches: ["a.example"],
        options: [{ name: "ndots", value: "2" }],
      },
      containers: [sleeper()],
    }));
    await pods.ready("named");
    equal(await pods.exec("named", "hostname"), "host.sub.default.svc.cluster.local\n");
    match(await pods.exec("named", "cat", "/etc/hosts"), /192\.0\.2\.7\s+seven\.example/);
    equal(
      await pods.exec("named", "cat", "/etc/resolv.conf"),
      "search a.example\nnameserver 192.0.2.53\noptions ndots:2\n",
    );
  });

  await t.step("limits and requests are in the kernel", async () => {
    const resources = { requests: { cpu: "250m", memory: "32Mi" }, limits: { cpu: "500m", memory: "64Mi" } };
    await pods.apply(pod("limited", { containers: [sleeper({ resources })] }));
    await pods.ready("limited");
    const of = async (controller: string, file: string) => {
      const { stdout } = await pods.cluster.run([
        ...[pods.cluster.kubectlPath, "exec", "limited", "--", "sh", "-c"],
        `cat /sys/fs/cgroup/${controller}/${file} || cat /sys/fs/cgroup/${file}`,
      ]);
      return stdout.trim();
    };
    assertEquals(
      [
        await of("memory", "memory.limit_in_bytes"),
        await of("cpu", "cpu.cfs_quota_us"),
        await of("cpu", "cpu.shares"),
      ],
      [String(64 * 2 ** 20), "50000", "256"],
    );
    assertEquals(
      JSON.parse(await pods.jsonpath("limited", ".status.containerStatuses[0].allocatedResources")),
      resources.requests,
    );
  });
});
