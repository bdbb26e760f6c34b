/** Starting, stopping and starting again, in every way that people and machines do it. */
import { deepEqual as assertEquals, equal, match, ok as assert } from "node:assert/strict";
import { eventually as eventuallyWithin, type Output, TestCluster } from "./cluster.ts";
import { hasEnded, kill } from "./sweep.ts";

const PORT = 6443;
/** For all processes to start again, on a machine that is busy. */
const SECONDS_MAX = 180;
const eventually = <T>(attempt: () => Promise<T> | T) => eventuallyWithin(attempt, SECONDS_MAX);

Deno.test("what stands in the way of `up` is told in one sentence", async (t) => {
  await using cluster = await TestCluster.prepare();
  const up = ["up", "--data-dir", cluster.dataDir];
  const refusal = ({ code, stdout, stderr }: Output, sentence: RegExp) => {
    match(stderr.trim(), sentence);
    assertEquals([code, stdout, stderr.trim().split("\n").length <= 3], [1, "", true], stderr);
  };
  /** In a mount namespace in which files can be hidden. */
  const hidden = (by: string, words: string[]) =>
    cluster.run(["unshare", "-m", "sh", "-ec", `${by}; exec "$@"`, "sh", ...words]);

  await t.step("a port in use", async () => {
    const script = `Deno.serve({ port: ${PORT}, onListen: () => console.log("listens") }, () => new Response());`;
    const server = cluster.command([Deno.execPath(), "eval", script], { stderr: "null" }).spawn();
    const said = server.stdout.getReader();
    try {
      // Before that `up` would find the port free, and go on.
      await said.read();
      refusal(
        await cluster.tryK3ts(...up),
        /^Error: Port 6443 on 127.0.0.1 is in use by another program: stop it, or/,
      );
    } finally {
      server.kill("SIGKILL");
      await said.cancel();
      await server.status;
    }
  });

  await t.step("no root", async () => {
    // Who may yet read where Deno keeps what it has fetched.
    const nobody = ["unshare", "--user", "--map-user=65534", "--"];
    const said = await cluster.run([...nobody, ...cluster.k3tsCommand(...up)]);
    refusal(said, /^Error: k3ts needs root .* run it again with sudo\.$/);
  });

  await t.step("a missing program", async () => {
    const said = await hidden("mount --bind /dev/null $(command -v crun)", cluster.k3tsCommand(...up));
    refusal(said, /^Error: The program crun is missing: .*install the package crun\.$/);
  });

  await t.step("a missing kernel feature", async () => {
    const fake = `${cluster.dataDir}/filesystems`;
    const real = await Deno.readTextFile("/proc/filesystems");
    await Deno.writeTextFile(fake, real.split("\n").filter((line) => !line.endsWith("overlay")).join("\n"));
    const said = await hidden(`mount --bind ${fake} /proc/filesystems`, cluster.k3tsCommand(...up));
    refusal(said, /^Error: The kernel cannot mount overlay: .*$/);
  });

  await t.step("native parts that have not been made", async () => {
    const said = await cluster.run(cluster.k3tsCommand(...up), { env: { K3TS_NATIVE: "/nonexistent" } });
    refusal(said, /^Error: The native part k3ts-supervisor is missing in \/nonexistent: run deno task setup\.$/);
  });

  await t.step("options that make no sense", async () => {
    refusal(
      await cluster.tryK3ts(...up, "--port", "http"),
      /^Error: --port must be a number from 1 to 65535: it is "http"\.$/,
    );
    refusal(
      await cluster.tryK3ts(...up, "--node-name", "My_Node"),
      /^Error: This machine cannot be called "My_Node": .*/,
    );
    refusal(await cluster.tryK3ts("up", "--data-dir", "/dev/null"), /^Error: --data-dir must be a folder .*/);
    refusal(
      await cluster.tryK3ts(...up, "--prot", "1"),
      /^Error: unknown option '--prot'\n\(Did you mean --port\?\)\nSee .* --help\.$/,
    );
  });
});

Deno.test("a cluster is stopped, killed and started again, and its containers never notice", async (t) => {
  await using cluster = await TestCluster.start("--demo");
  await cluster.says("Hello from k3ts");
  const before = await cluster.containers("app=hello");
  match(before, /hello-\S+ \S+ 0\nhello-\S+ \S+ 0/);
  const unchanged = () => eventually(async () => equal(await cluster.containers("app=hello"), before));

  await t.step("a second `up` on the same data directory is refused", async () => {
    const { code, stderr } = await cluster.tryK3ts("up", "--data-dir", cluster.dataDir);
    equal(code, 1);
    match(stderr, /^Error: k3ts already runs on \S+ \(supervisor \d+\)\.\nStop it with `k3ts down`/);
  });

  await t.step("Ctrl-C ends all processes of ours and no container", async () => {
    const pids = await cluster.pids();
    equal(await cluster.interrupt(), 0);
    match(cluster.said, /k3ts has stopped; its containers go on\./);
    assertEquals(await running(pids), []);
    equal((await running(await cluster.containerPids())).length, 2);
  });

  await t.step("`up` picks everything up, also on another port", async () => {
    await cluster.up("--port", "7443");
    await unchanged();
    match(await cluster.kubectl("config", "view"), /https:\/\/127\.0\.0\.1:7443/);
    equal(await cluster.interrupt(), 0);
    await cluster.up();
    await unchanged();
  });

  await t.step("when `up` is killed, the supervisor goes on, and `down` stops it", async () => {
    await cluster.killUp();
    const [supervisor] = await cluster.pids();
    // It writes about this to where nobody may listen any more.
    const dataplane = await cluster.pidOf("dataplane");
    Deno.kill(dataplane, "SIGKILL");
    await eventually(async () => assert(await cluster.pidOf("dataplane") !== dataplane));
    match(
      await Deno.readTextFile(`${cluster.dataDir}/logs/supervisor.log`),
      /msg="a process has ended" process=dataplane pid=\d+ how="signal 9"/,
    );
    match(
      (await cluster.tryK3ts("up", "--data-dir", cluster.dataDir)).stderr,
      new RegExp(`already runs .*${supervisor}`),
    );
    const pids = await cluster.pids();
    match(await cluster.k3ts("down", "--data-dir", cluster.dataDir), /has stopped/);
    assertEquals(await running(pids), []);
    await cluster.up();
    await unchanged();
  });

  await t.step("`down` also stops what a killed supervisor has left", async () => {
    await cluster.killUp();
    const pids = await cluster.pids();
    kill(pids[0]!);
    match(await cluster.k3ts("down", "--data-dir", cluster.dataDir), /has stopped/);
    assertEquals(await running(pids), []);
    match(await cluster.k3ts("down", "--data-dir", cluster.dataDir), /does not run/);
    await cluster.up();
    await unchanged();
  });

  await t.step("when everything but `up` is killed at once, it starts everything again", async () => {
    const pids = await cluster.pids();
    for (const pid of pids) kill(pid);
    await cluster.says("a new one takes over");
    await unchanged();
    // The agent and the dataplane come after what answers.
    await eventually(async () => equal((await running(await cluster.pids())).length, pids.length));
  });

  await t.step("a new supervisor is started again until it can hold the lock, and starts what was killed", async () => {
    const lock = new Deno.Command("flock", {
      args: [`${cluster.dataDir}/lock`, "sh", "-c", "echo held; exec cat"],
      stdin: "piped",
      stdout: "piped",
    });
    const [supervisor, gateway] = [await cluster.pidOf("supervisor"), await cluster.pidOf("gateway")];
    // Waits for the lock, and has it before anybody else asks for it.
    const holder = lock.spawn();
    await eventually(async () =>
      match(await Deno.readTextFile("/proc/locks"), new RegExp(`-> FLOCK .* ${holder.pid} `))
    );
    for (const pid of [supervisor, gateway]) kill(pid);
    const said = holder.stdout.getReader();
    await said.read();
    await cluster.says("No supervisor has started, which is tried again");
    await holder.stdin.close();
    await said.cancel();
    await holder.status;
    await eventually(async () => assert(await cluster.pidOf("gateway") !== gateway));
    await unchanged();
  });

  await t.step("when everything is killed, the next `up` starts everything", async () => {
    const pids = await cluster.pids();
    await cluster.killUp();
    for (const pid of pids) kill(pid);
    await cluster.up();
    await unchanged();
  });

  await t.step("after the end of all processes, mounts and links, as in a reboot, the pods run again", async () => {
    await cluster.losePower({ torn: true });
    await cluster.up();
    await eventually(async () => {
      const address = await cluster.kubectl("get", "service", "hello", "-o", "jsonpath={.spec.clusterIP}");
      const page = await cluster.run([
        Deno.execPath(),
        "eval",
        `console.log(await (await fetch("http://${address}")).text())`,
      ]);
      match(page.stdout, /Hello from k3ts/, page.stderr);
      match(await cluster.kubectl("get", "deployment", "hello"), / 2\/2 /);
    });
  });

  await t.step("`down --containers` leaves nothing", async () => {
    const pids = [...await cluster.pids(), ...await cluster.containerPids(), ...await cluster.shimPids()];
    const uids = (await cluster.kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.uid}")).split(" ");
    await cluster.killUp();
    match(await cluster.k3ts("down", "--data-dir", cluster.dataDir, "--containers"), /has stopped[\s\S]*are gone/);
    assertEquals(await running(pids), []);
    assertEquals(await cluster.mounts(), []);
    assertEquals(await cluster.links(), []);
    equal((await cluster.run(["nft", "list", "tables"])).stdout, "");
    for (const uid of uids) equal((await cluster.run(["find", "/sys/fs/cgroup", "-name", `*${uid}*`])).stdout, "");
  });

  await t.step("and the next `up` brings the pods back", async () => {
    await cluster.up();
    await cluster.kubectl("rollout", "status", "deployment/hello", `--timeout=${SECONDS_MAX}s`);
  });
});

/** Those that run. */
async function running(pids: number[]): Promise<number[]> {
  const alive = await Promise.all(pids.map(async (pid) => await hasEnded(pid) ? [] : [pid]));
  return alive.flat();
}
