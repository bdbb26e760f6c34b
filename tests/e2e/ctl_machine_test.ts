/** `k3ts doctor`, `top` and `uninstall` on a machine as it may be found. */
import "reflect-metadata";
import { X509CertificateGenerator } from "@peculiar/x509";
import { deepEqual as assertEquals, equal, match, ok as assert } from "node:assert/strict";
import { eventually, TestCluster } from "./cluster.ts";

Deno.test("doctor says what is wrong and what to do, and is content with what is well", async (t) => {
  await using cluster = await TestCluster.start("--demo");
  await cluster.says("Hello from k3ts");
  const examine = async (...words: string[]) => {
    const { code, stdout, stderr } = await cluster.tryK3ts(
      "doctor",
      "--data-dir",
      cluster.dataDir,
      "-o",
      "json",
      ...words,
    );
    const { findings } = JSON.parse(stdout) as {
      findings: { level: string; subject: string; message: string; next?: string }[];
    };
    const find = (subject: string) => findings.filter((finding) => finding.subject === subject);
    return { code, find, stderr, bad: findings.filter(({ level }) => level !== "ok") };
  };

  await t.step("nothing is wrong with a cluster that runs", async () => {
    // The disk and the load of this machine are not ours to judge.
    const { bad, find, code } = await examine();
    assertEquals(bad.filter(({ subject }) => !["disk space", "memory", "firewall"].includes(subject)), []);
    for (
      const subject of [
        "supervisor",
        "gateway",
        "server",
        "agent",
        "dataplane",
        "certificate",
        "forwarding",
        "packet rules",
        "clock",
        "API",
        "node n1",
        "cluster DNS",
      ]
    ) {
      assert(find(subject).length > 0, subject);
    }
    equal(code, bad.some(({ level }) => level === "problem") ? 1 : 0);
    match(
      await cluster.k3ts("doctor", "--data-dir", cluster.dataDir).catch((error) => error.message),
      /node n1 +It is ready/,
    );
  });

  await t.step(
    "packet rules that are gone and a kernel that does not forward are told, until they are back",
    async () => {
      const forward = (value: number) => cluster.run(["sh", "-c", `echo ${value} > /proc/sys/net/ipv4/ip_forward`]);
      const agent = await cluster.pidOf("agent");
      Deno.kill(agent, "SIGSTOP"); // which would see to it
      await cluster.run(["nft", "delete", "table", "ip", "k3ts"]);
      await forward(0);
      const { find } = await examine();
      equal(find("packet rules")[0]!.level, "problem");
      match(find("forwarding")[0]!.message, /ip_forward is 0/);
      await forward(1);
      Deno.kill(agent, "SIGCONT");
      await eventually(async () => {
        const { find } = await examine();
        assertEquals(["packet rules", "forwarding"].map((subject) => find(subject)[0]!.level), ["ok", "ok"]);
      });
    },
  );

  await t.step("a node that takes no pods, a process that ended and a pod without image are told", async () => {
    await cluster.k3ts("cordon", "n1");
    Deno.kill(await cluster.pidOf("dataplane"), "SIGKILL");
    await cluster.k3ts("run", "broken", "--image", "nowhere.invalid/nothing:1");
    await eventually(async () => {
      const { find } = await examine();
      match(find("node n1")[0]!.next!, /k3ts uncordon n1/);
      match(find("dataplane")[0]!.message, /signal 9/);
    });
    await cluster.k3ts("uncordon", "n1");
    await eventually(
      async () =>
        match((await examine()).find("pods")[0]!.message, /default\/broken: broken Err|default\/broken: broken Image/),
      60,
    );
    await cluster.k3ts("delete", "pod", "broken", "--force");
  });

  await t.step("a kubeconfig that has expired is a problem, and what it is refused with", async () => {
    const own = `${cluster.dataDir}/expired.kubeconfig`;
    const text = await Deno.readTextFile(cluster.kubeconfig);
    await Deno.writeTextFile(
      own,
      text.replace(/client-certificate-data: .*/, `client-certificate-data: ${await expiredFor(text)}`),
    );
    const { code, find } = await examine("--kubeconfig", own);
    equal(code, 1);
    match(
      find("certificate").find(({ level }) => level === "problem")!.message,
      /the kubeconfig \(context k3ts\) has expired \S+ ago/,
    );
    match(find("API")[0]!.message, /does not answer as it should/);
  });

  await t.step("a server that is not there, leftovers and a port that is taken are told with what to do", async () => {
    const supervisor = await cluster.pidOf("supervisor");
    const others = (await cluster.pids()).filter((pid) => pid !== supervisor);
    await cluster.killUp();
    Deno.kill(supervisor, "SIGKILL");
    await eventually(async () => {
      const { code, find } = await examine();
      equal(code, 1);
      match(find("leftovers")[0]!.message, /run without a supervisor/);
      match(find("port")[0]!.next!, /It is process \d+: .*k3ts-gateway|It is process \d+: /);
    });
    for (const pid of others) Deno.kill(pid, "SIGKILL");
    await eventually(async () => {
      const { find } = await examine();
      match(find("API")[0]!.message, /does not answer/);
      match(find("API")[0]!.next!, /k3ts up/);
      match(find("supervisor")[0]!.next!, /Start it: k3ts up/);
      match(find("leftovers")[0]!.message, /containers and \d+ mounts are left of pods/);
      assertEquals(find("port"), []);
    });
  });
});

Deno.test("top says what is used", async () => {
  await using cluster = await TestCluster.start("--demo");
  await cluster.says("Hello from k3ts");
  await eventually(
    async () =>
      match(
        await cluster.k3ts("top", "nodes"),
        /^NAME +CPU\(cores\) +CPU\(%\) +MEMORY\(bytes\) +MEMORY\(%\)\nn1 +\d+m +\d+% +\d+Mi +\d+%\n$/,
      ),
    60,
  );
  await cluster.k3ts("run", "busy", "--image", "busybox:1.37", "--", "sleep", "3600");
  await eventually(
    async () => match(await cluster.k3ts("top", "pods"), /^NAME +CPU\(cores\) +MEMORY\(bytes\)\nbusy +\d+m +\d+Mi\n/),
    90,
  );
});

Deno.test("uninstall leaves the machine as it was before", async (t) => {
  await using cluster = await TestCluster.prepare();
  const before = await stateOf(cluster);
  await cluster.up("--demo");
  await cluster.says("Hello from k3ts");
  const during = await stateOf(cluster);
  for (const part of ["processes", "mounts", "cgroups", "links", "routes", "rules", "files"] as const) {
    assert(during[part].length > before[part].length, `${part} did not change: the test would see nothing`);
  }

  await t.step("it asks, and does nothing where nobody can answer", async () => {
    const { code, stdout, stderr } = await cluster.tryK3ts("uninstall", "--data-dir", cluster.dataDir);
    equal(code, 1);
    match(stdout, /This ends k3ts and all of its pods on this machine and removes\n[\s\S]*processes\n/);
    match(stderr, /Nobody is there to be asked\.\nSay --yes/);
    match(await cluster.k3ts("get", "nodes"), /n1 +Ready/);
  });

  await t.step("a folder of somebody else is refused", async () => {
    const other = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${other}/letter`, "dear");
      const { code, stderr } = await cluster.tryK3ts("uninstall", "--yes", "--data-dir", other);
      equal(code, 1);
      match(stderr, /is no data directory of k3ts/);
      equal(await Deno.readTextFile(`${other}/letter`), "dear");
    } finally {
      await Deno.remove(other, { recursive: true });
    }
  });

  await t.step("with --yes nothing is left, also of what kept running without a supervisor", async () => {
    Deno.kill(await cluster.pidOf("agent"), "SIGKILL");
    const said = await cluster.k3ts("uninstall", "--yes", "--data-dir", cluster.dataDir);
    match(said, /k3ts is gone from this machine/);
    await eventually(async () => assertEquals(await stateOf(cluster), { ...before, files: [] }));
    match(await cluster.k3ts("uninstall", "--yes", "--data-dir", cluster.dataDir), /There is nothing of k3ts/);
  });
});

/** What of the machine a cluster changes. */
async function stateOf(cluster: TestCluster) {
  const lines = async (...words: string[]) => {
    const { stdout } = await cluster.run(words);
    return stdout.split("\n").filter((line) => line !== "").toSorted();
  };
  const processes: string[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const command = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    const cgroups = await Deno.readTextFile(`/proc/${name}/cgroup`).catch(() => "");
    if (command.includes(cluster.dataDir) || cgroups.includes(cluster.cgroup)) processes.push(command);
  }
  const mounts = (await Deno.readTextFile("/proc/self/mounts")).split("\n").filter((line) =>
    line.includes(cluster.dataDir)
  );
  const cgroups = await lines("find", "/sys/fs/cgroup", "-name", `${cluster.cgroup}*`);
  return {
    processes,
    mounts,
    cgroups,
    links: (await lines("ip", "-brief", "link")).map((line) => line.split(" ")[0]!),
    routes: await lines("ip", "route", "show", "table", "all"),
    rules: [...await lines("nft", "list", "ruleset"), ...await lines("ip", "rule")],
    files: await lines("find", cluster.dataDir, "-mindepth", "1"),
  };
}

/** For the kubeconfig's key, valid for a day of the year 2020. @returns in base64, as a kubeconfig has it */
async function expiredFor(kubeconfig: string): Promise<string> {
  const pem = atob(/client-key-data: (\S+)/.exec(kubeconfig)![1]!);
  const der = Uint8Array.fromBase64(pem.replace(/-----[^-]+-----|\s/g, ""));
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const privateKey = await crypto.subtle.importKey("pkcs8", der, algorithm, true, ["sign"]);
  const { d: _, key_ops: __, ...jwk } = await crypto.subtle.exportKey("jwk", privateKey);
  const publicKey = await crypto.subtle.importKey("jwk", jwk, algorithm, true, ["verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: "O=system:masters, CN=admin",
    notBefore: new Date("2020-01-01"),
    notAfter: new Date("2020-01-02"),
    keys: { privateKey, publicKey },
    signingAlgorithm: algorithm,
  });
  return btoa(certificate.toString("pem"));
}
