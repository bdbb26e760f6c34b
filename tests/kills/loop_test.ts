import { ok } from "node:assert/strict";
import { TestCluster } from "../e2e/cluster.ts";
import { turn } from "./loop.ts";

const TURNS = 8;

Deno.test("get, apply, exec, logs and delete in a loop leave nothing behind", async () => {
  await using cluster = await TestCluster.start("--demo");
  for (let number = 0; number < TURNS; number++) await turn(cluster, number);
  const left = await cluster.kubectl("get", "pods,configmaps", "-o", "name");
  ok(!left.includes("turn-"), left);
});
