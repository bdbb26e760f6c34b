/** The harness for several nodes itself: machines of their own, cables that can be pulled, nothing left behind. */
import { deepEqual as assertEquals, equal, match, notEqual, rejects } from "node:assert/strict";
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
