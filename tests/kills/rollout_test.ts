/** A Deployment that is rolled again and again while its page is fetched. */
import { deepEqual, ok } from "node:assert/strict";
import { TestNodes } from "../e2e/nodes.ts";
import { provideImage } from "../e2e/workloads.ts";
import { Witness } from "./witness.ts";

const ROLLOUTS = 20;

Deno.test("a deployment on two nodes, rolled twenty times under load, drops nothing", async () => {
  await using nodes = await TestNodes.start({ agents: 1, firstOptions: ["--demo"] });
  const cluster = nodes.first;
  await provideImage(nodes.agents);
  await cluster.kubectl("scale", "deployment/hello", "--replicas=4");
  await using witness = await Witness.start(cluster);
  for (let rollout = 0; rollout < ROLLOUTS; rollout++) {
    await cluster.kubectl("set", "env", "deployment/hello", `ROLLOUT=${rollout}`);
    await cluster.kubectl("rollout", "status", "deployment/hello", "--timeout=120s");
  }
  const { seen, failures } = await witness.conclude();
  deepEqual(failures, []);
  for (const [what, { succeeded }] of Object.entries(seen)) ok(succeeded > 100, `only ${succeeded} of ${what}`);
});
