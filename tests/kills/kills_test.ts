/** The kill matrix, in an order chosen by a seed. */
import { deepEqual, ok } from "node:assert/strict";
import { TestCluster } from "../e2e/cluster.ts";
import { allRounds, PROCESSES, shuffled } from "./matrix.ts";
import { UsedCluster } from "./kills.ts";

Deno.test("kill -9 of each process, of every pair and of all at once: nobody who uses the cluster is harmed", async (t) => {
  const seed = Number(Deno.env.get("K3TS_SEED") ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`seed ${seed} (K3TS_SEED=${seed} runs the same rounds again)`);
  await using cluster = await TestCluster.start("--demo");
  await using used = await UsedCluster.start(cluster);
  for (const round of shuffled(allRounds(), seed)) {
    await t.step(round.length === PROCESSES.length ? "all" : round.join(" and "), async () => {
      await used.kill(round);
    });
  }
  const { seen, failures } = await used.conclude();
  deepEqual(failures, []);
  for (const [what, { succeeded }] of Object.entries(seen)) ok(succeeded > 50, `only ${succeeded} of ${what}`);
});
