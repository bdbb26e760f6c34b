/** A Deployment that is rolled again and again while its page is fetched. */
import { deepEqual, ok } from "node:assert/strict";
import { TestCluster } from "../e2e/cluster.ts";
import { Witness } from "./witness.ts";

const ROLLOUTS = 20;

Deno.test("a deployment rolled twenty times under load drops nothing", async () => {
  await using cluster = await TestCluster.start("--demo");
  await using witness = await Witness.start(cluster);
  for (let rollout = 0; rollout < ROLLOUTS; rollout++) {
    await cluster.kubectl("set", "env", "deployment/hello", `ROLLOUT=${rollout}`);
    await cluster.kubectl("rollout", "status", "deployment/hello", "--timeout=120s");
  }
  const { seen, failures } = await witness.conclude();
  deepEqual(failures, []);
  for (const [what, { succeeded }] of Object.entries(seen)) ok(succeeded > 100, `only ${succeeded} of ${what}`);
});
