/** The harness for several nodes itself: machines of their own, cables that can be pulled, nothing left behind. */
import { deepEqual as assertEquals, equal, match, notEqual, rejects } from "node:assert/strict";
import { GOOD } from "./link.ts";
import { TestNodes } from "./nodes.ts";
import { mustRun, sweepDeadRuns } from "./sweep.ts";

Deno.test("machines have networks of their own and a cable to each other, which can be pulled", async () => {
  const nodes = await TestNodes.prepare({ agents: 2 });
  const reaches = async (from: string, to: string) =>
    (await nodes.run(from, ["/bin/busybox", "ping", "-c", "1", "-W", "1", nodes.addressOf(to)])).code === 0;
  try {
    equal(await reaches("n1", "n2"), true);
    equal(await reaches("n3", "n2"), true);
    await nodes.cut("n2");
    equal(await reaches("n1", "n2"), false);
    equal(await reaches("n1", "n3"), true);
    await nodes.restore("n2");
    equal(await reaches("n1", "n2"), true);
  } finally {
    await nodes[Symbol.asyncDispose]();
  }
  assertEquals(await leftOf(nodes.test), []);
});

Deno.test("a cable can be slow and lossy, and a machine's disk full", async () => {
  await using nodes = await TestNodes.prepare({ agents: 1, relayed: true, diskMegabytes: 64 });
  const [first, second] = [nodes.first, nodes.machine("n2")];
  /** Milliseconds of the answers that came. */
  const ping = async (count: number) => {
    const words = ["/bin/busybox", "ping", "-i", "0.05", "-W", "1", "-c", `${count}`, nodes.addressOf("n2")];
    const { stdout } = await first.run(words);
    return [...stdout.matchAll(/time=([\d.]+) ms/g)].map(([, time]) => Number(time));
  };
  equal((await ping(5)).length, 5);
  await nodes.impair("n2", { delayMs: 60, jitterMs: 5, loss: 0 });
  const slow = await ping(5);
  equal(slow.length, 5);
  equal(slow.every((time) => time >= 120), true, `${slow}`);
  await nodes.impair("n2", { delayMs: 0, jitterMs: 0, loss: 0.3 });
  const { length } = await ping(60);
  equal(length > 5 && length < 55, true, `${length} of 60`);
  await nodes.impair("n2", GOOD);
  equal((await ping(5)).length, 5);

  const path = `${second.dataDir}/file`;
  await second.fillDisk();
  await rejects(Deno.writeTextFile(path, "x".repeat(10_000)), /No space left on device/);
  await Deno.writeTextFile(`${first.dataDir}/file`, "x".repeat(10_000));
  await second.freeDisk();
  await Deno.writeTextFile(path, "x".repeat(10_000));
});

Deno.test("the clocks of all programs of a machine can be shifted while they run", async () => {
  await using nodes = await TestNodes.prepare({ agents: 0 });
  const clock = await nodes.first.shiftableClock();
  const program = "for await (const _ of Deno.stdin.readable) console.log(Date.now())";
  const child = nodes.first.command([Deno.execPath(), "eval", program], {
    stdin: "piped",
    env: nodes.first.environment,
  }).spawn();
  const asked = child.stdin.getWriter();
  const told = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  for (const shiftMs of [0, 3_600_000, -3_600_000, 0]) {
    await clock.shift(shiftMs);
    await asked.write(new Uint8Array(1));
    const ahead = Number((await told.read()).value) - Date.now();
    equal(Math.abs(ahead - shiftMs) < 10_000, true, `${ahead} instead of ${shiftMs}`);
  }
  await asked.close();
  await told.cancel();
  await child.stderr.cancel();
  await child.status;
});

Deno.test("what a killed run of tests has left is removed by the next one, what a living one has made is not", async () => {
  await using alive = await TestNodes.prepare({ agents: 0 });
  // Its process has never been: no process begins at the start of the machine.
  const dead = `k3ts-e2e-${Deno.pid}-1-abcdef`;
  await Deno.mkdir(`/tmp/${dead}/n1/mounted`, { recursive: true });
  await mustRun(["mount", "-t", "tmpfs", "none", `/tmp/${dead}/n1/mounted`]);
  await mustRun(["ip", "netns", "add", `${dead}-n1`]);
  const sleeper = new Deno.Command("nsenter", { args: [`--net=/run/netns/${dead}-n1`, "sleep", "1000"] }).spawn();
  notEqual((await leftOf(dead)).length, 0);
  await sweepDeadRuns();
  equal((await sleeper.status).signal, "SIGKILL");
  assertEquals(await leftOf(dead), []);
  notEqual((await leftOf(alive.test)).length, 0);
});

Deno.test("a cluster that does not start tells why, and leaves nothing", async () => {
  let test = "";
  const starting = TestNodes.start({
    firstOptions: ["--listen", "nowhere"],
    onMade: (name) => {
      test = name;
    },
  });
  await rejects(starting, (error: Error) => {
    match(error.message, /--listen must be an address of this machine, such as 10\.0\.0\.1: it is "nowhere"/);
    return true;
  });
  assertEquals(await leftOf(test), []);
});

/** Files, mounts and networks of a test. */
async function leftOf(test: string): Promise<string[]> {
  const found: string[] = [];
  for (const folder of ["/tmp", "/run/netns"]) {
    for await (const { name } of Deno.readDir(folder)) if (name.startsWith(test)) found.push(`${folder}/${name}`);
  }
  const mounts = (await Deno.readTextFile("/proc/self/mounts")).split("\n").filter((line) =>
    line.includes(`/${test}/`)
  );
  return [...found, ...mounts];
}
