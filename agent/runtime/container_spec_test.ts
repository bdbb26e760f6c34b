import { deepEqual as assertEquals, equal, throws } from "node:assert/strict";
import type { Container, Pod } from "@k3ts/model/objects";
import { aPod } from "@k3ts/model/testing";
import { capabilitiesIn, capabilitiesOf } from "./capabilities.ts";
import { argumentsOf, type ContainerInput, containerSpec, type ImageConfig } from "./container_spec.ts";
import { hostnameOf, hostsFile, resolvConf } from "./pod_files.ts";
import { userOf } from "./user.ts";

function input(
  container: Partial<Container> = {},
  spec: Partial<NonNullable<Pod["spec"]>> = {},
  over: Partial<ContainerInput> = {},
): ContainerInput {
  const pod = aPod({
    name: "web",
    uid: "u1",
    spec: { containers: [{ name: "main", image: "demo:1", ...container }], ...spec },
  });
  return {
    pod,
    container: pod.spec!.containers[0]!,
    image: { Cmd: ["httpd"], Env: ["PATH=/bin", "A=image"] },
    user: { uid: 0, gid: 0, home: "/root" },
    environment: new Map([["A", "pod"]]),
    namespaces: { network: "/s/net", ipc: "/s/ipc", uts: "/s/uts" },
    hostname: "web",
    rootfs: "/c/rootfs",
    terminationLog: "/c/termination-log",
    files: { hosts: "/p/hosts", resolvConf: "/p/resolv.conf", hostname: "/p/hostname", sharedMemory: "/s/shm" },
    volumeSources: new Map(),
    cgroupsPath: "/k3ts/u1/c1",
    nodeMemoryBytes: 4 * 2 ** 30,
    oomScoreMin: -1000,
    capabilities: capabilitiesOf(pod.spec!.containers[0]!),
    ...over,
  };
}

Deno.test("a plain container gets the namespaces of its pod and a mount namespace of its own", () => {
  const spec = containerSpec(input());
  assertEquals(spec.linux.namespaces, [
    { type: "pid" },
    { type: "mount" },
    { type: "cgroup" },
    { type: "network", path: "/s/net" },
    { type: "ipc", path: "/s/ipc" },
    { type: "uts", path: "/s/uts" },
  ]);
  assertEquals(spec.process.env, ["PATH=/bin", "HOSTNAME=web", "A=pod", "HOME=/root"]);
  assertEquals(spec.process.args, ["httpd"]);
  equal(spec.linux.cgroupsPath, "/k3ts/u1/c1");
  equal(spec.process.oomScoreAdj, 1000);
  equal(spec.process.capabilities.effective.includes("CAP_NET_ADMIN"), false);
  assertEquals(spec.mounts.map((one) => one.destination), [
    "/proc",
    "/dev",
    "/sys",
    "/dev/pts",
    "/dev/mqueue",
    "/dev/shm",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/dev/termination-log",
    "/sys/fs/cgroup",
  ]);
});

Deno.test("limits become cgroup limits", () => {
  const resources = { requests: { cpu: "250m", memory: "64Mi" }, limits: { cpu: "500m", memory: "128Mi" } };
  const { linux, process } = containerSpec(input({ resources }));
  assertEquals(linux.resources.cpu, { shares: 256, quota: 50_000, period: 100_000 });
  assertEquals(linux.resources.memory, { limit: 128 * 2 ** 20 });
  equal(process.oomScoreAdj, 985);
});

Deno.test("what is guaranteed goes last when memory ends, as far as the node may say so", () => {
  const limits = { cpu: "500m", memory: "128Mi" };
  equal(containerSpec(input({ resources: { limits, requests: limits } })).process.oomScoreAdj, -997);
  equal(
    containerSpec(input({ resources: { limits, requests: limits } }, {}, { oomScoreMin: 0 })).process.oomScoreAdj,
    0,
  );
});

Deno.test("a volume takes the place of a file of ours, and needs its source", () => {
  const volumeMounts = [{ name: "v", mountPath: "/etc/hosts", readOnly: true }];
  const { mounts } = containerSpec(input({ volumeMounts }, {}, { volumeSources: new Map([["/etc/hosts", "/v"]]) }));
  assertEquals(
    mounts.filter((one) => one.destination === "/etc/hosts").map((one) => [one.source, one.options?.at(-1)]),
    [["/v", "ro"]],
  );
  throws(() => containerSpec(input({ volumeMounts })), { name: "ConfigError" });
});

Deno.test("capabilities are added and dropped; nobody else than root begins with them", () => {
  const only = containerSpec(
    input({ securityContext: { capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] } } }),
  );
  assertEquals(only.process.capabilities.bounding, ["CAP_NET_BIND_SERVICE"]);
  const user = containerSpec(input({}, {}, { user: { uid: 1000, gid: 1000, home: "/" } }));
  assertEquals(user.process.capabilities.effective, []);
  equal(user.process.capabilities.bounding.length, 14);
  const privileged = containerSpec(input({ securityContext: { privileged: true } }));
  equal(privileged.process.capabilities.effective.includes("CAP_SYS_ADMIN"), true);
  equal(privileged.linux.maskedPaths, undefined);
});

Deno.test("a pod on the host's network joins no network namespace", () => {
  const { linux, hostname } = containerSpec(
    input({}, { hostNetwork: true }, { namespaces: { network: "", ipc: "/s/ipc", uts: "" } }),
  );
  equal(linux.namespaces.some((one) => one.type === "network" || one.type === "uts"), false);
  equal(hostname, undefined);
});

Deno.test("command and args take the place of the image's, and are expanded", () => {
  const image: ImageConfig = { Entrypoint: ["/entry"], Cmd: ["default"] };
  const args = (container: Partial<Container>) =>
    argumentsOf({ name: "main", ...container }, image, new Map([["A", "1"]]));
  assertEquals(args({}), ["/entry", "default"]);
  assertEquals(args({ args: ["$(A)", "$$(A)"] }), ["/entry", "1", "$(A)"]);
  assertEquals(args({ command: ["run"] }), ["run"]);
  throws(() => argumentsOf({ name: "main" }, {}, new Map()), /must have a command/);
});

Deno.test("users are looked up in the image's own files", () => {
  const accounts = {
    passwd: "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\n",
    group: "web:x:34:\nextra:x:50:web,other\n",
  };
  const { pod, container } = input();
  assertEquals(userOf(pod, container, "web", accounts), { uid: 33, gid: 34, additionalGids: [50], home: "/srv" });
  assertEquals(userOf(pod, container, "1000:extra", accounts), { uid: 1000, gid: 50, additionalGids: [], home: "/" });
  throws(() => userOf(pod, container, "nobody", accounts), { name: "ConfigError" });
  const strict = input({ securityContext: { runAsNonRoot: true } });
  throws(() => userOf(strict.pod, strict.container, "", accounts), /run as root/);
  const given = input({ securityContext: { runAsUser: 5 } }, {
    securityContext: { runAsGroup: 6, fsGroup: 7, supplementalGroups: [8] },
  });
  assertEquals(userOf(given.pod, given.container, "web", accounts), {
    uid: 5,
    gid: 6,
    additionalGids: [7, 8],
    home: "/",
  });
});

Deno.test("a pod resolves names in its own namespace first, by cluster DNS only", () => {
  const dns = { address: "10.43.0.10", domain: "cluster.local" };
  const host = "search example.org\nnameserver 192.0.2.53\noptions timeout:1\n";
  equal(
    resolvConf(aPod({ namespace: "shop" }), host, dns),
    "search shop.svc.cluster.local svc.cluster.local cluster.local example.org\nnameserver 10.43.0.10\noptions ndots:5\n",
  );
  equal(
    resolvConf(aPod({ spec: { dnsPolicy: "Default" } }), host, dns),
    "search example.org\nnameserver 192.0.2.53\noptions timeout:1\n",
  );
  const none = aPod({
    spec: {
      dnsPolicy: "None",
      dnsConfig: { nameservers: ["192.0.2.1"], searches: ["a.b"], options: [{ name: "ndots", value: "2" }] },
    },
  });
  equal(resolvConf(none, host, dns), "search a.b\nnameserver 192.0.2.1\noptions ndots:2\n");
});

Deno.test("a pod knows itself by its name", () => {
  const pod = aPod({
    name: "db-0",
    namespace: "shop",
    spec: { subdomain: "db", hostAliases: [{ ip: "192.0.2.9", hostnames: ["a", "b"] }] },
  });
  const lines = hostsFile(pod, "10.42.0.3", "cluster.local").split("\n");
  equal(lines.includes("10.42.0.3\tdb-0.db.shop.svc.cluster.local\tdb-0"), true);
  equal(lines.includes("192.0.2.9\ta\tb"), true);
  equal(hostnameOf(aPod({ name: "a".repeat(80) })).length, 63);
});

Deno.test("nobody gives a container capabilities that the node has not", () => {
  const held = capabilitiesIn("Name:\tdeno\nCapPrm:\t0000000000000421\n");
  assertEquals(held, ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
  const privileged: Container = { name: "c", securityContext: { privileged: true } };
  assertEquals(capabilitiesOf(privileged, held), held);
});

Deno.test("an image that may run as root is refused where a pod must not", () => {
  const pod = aPod({ name: "web", uid: "u1", spec: { securityContext: { runAsNonRoot: true } } });
  const passwd = "app:x:1000:1000::/:\n";
  const run = (image: string, over: Container["securityContext"] = {}) => () =>
    userOf(pod, { name: "c", securityContext: over }, image, { passwd, group: "" }).uid;
  throws(run(""), /container has runAsNonRoot and image will run as root \(pod: "web_default\(u1\)", container: c\)/);
  throws(run("app"), /non-numeric user \(app\)/);
  throws(run("1000", { runAsUser: 0 }), /runAsUser breaks non-root policy/);
  equal(run("1000")(), 1000);
  equal(run("app", { runAsUser: 7 })(), 7);
  equal(run("", { runAsNonRoot: false })(), 0);
});

Deno.test("groups of the image are left out where the pod says so", () => {
  const accounts = { passwd: "app:x:1000:1000::/:\n", group: "extra:x:50:app\n" };
  const groups = (supplementalGroupsPolicy: "Merge" | "Strict") => {
    const spec = { securityContext: { supplementalGroups: [7], supplementalGroupsPolicy, fsGroup: 8 } };
    return userOf(aPod({ spec }), { name: "c" }, "app", accounts).additionalGids;
  };
  assertEquals(groups("Merge"), [7, 8, 50]);
  assertEquals(groups("Strict"), [7, 8]);
});

Deno.test("mounts travel as far as they are asked to, and read-only means all the way down where it is said", () => {
  const at = (mount: Partial<NonNullable<Container["volumeMounts"]>[number]>) => {
    const volumeMounts = [{ name: "v", mountPath: "/v", ...mount }];
    return containerSpec(input({ volumeMounts }, {}, { volumeSources: new Map([["/v", "/host"]]) }));
  };
  equal(at({}).linux.rootfsPropagation, undefined);
  equal(at({ mountPropagation: "HostToContainer" }).linux.rootfsPropagation, "rslave");
  equal(at({ mountPropagation: "Bidirectional" }).linux.rootfsPropagation, "rshared");
  const options = at({ readOnly: true, recursiveReadOnly: "Enabled" }).mounts.find((one) => one.destination === "/v");
  assertEquals(options?.options, ["rbind", "rprivate", "ro", "rro"]);
});
