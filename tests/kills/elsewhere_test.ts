/** The kill matrix on a node that has no server: its streams come through the tunnel that its gateway opens. */
import { deepEqual, ok } from "node:assert/strict";
import { TestNodes } from "../e2e/nodes.ts";
import { provideImage } from "../e2e/workloads.ts";
import { UsedCluster } from "./kills.ts";
import { allRounds, PROCESSES } from "./matrix.ts";

const ON_NODES = PROCESSES.filter((name) => name !== "server" && name !== "plugins");

Deno.test("kill -9 of each process of another node, of every pair and of all: nobody who uses it is harmed", async (t) => {
  await using nodes = await TestNodes.start({ agents: 1, firstOptions: ["--demo"] });
  await provideImage(nodes.agents);
  await using used = await UsedCluster.start(nodes.first, nodes.machine("n2"));
  for (const round of allRounds(ON_NODES)) {
    await t.step(round.length === ON_NODES.length ? "all" : round.join(" and "), async () => {
      await used.kill(round);
    });
  }
  const { seen, failures } = await used.conclude();
  deepEqual(failures, []);
  for (const [what, { succeeded }] of Object.entries(seen)) ok(succeeded > 50, `only ${succeeded} of ${what}`);
});
