import { equal, rejects } from "node:assert/strict";
import { PluginState } from "./plugin_state.ts";

Deno.test("plugins are ready when every controller knows the cluster, and no longer when they have ended", async () => {
  const { signal } = new AbortController();
  const state = new PluginState();
  equal(state.problem(), "the plugins do not run");
  state.started(["scheduler", "replicaset"], () => Promise.resolve("a 1\n"));
  equal(await state.metrics(signal), "a 1\n");
  equal(state.problem(), "scheduler and 1 other controllers have not read the cluster's state yet");
  state.synced("scheduler");
  equal(state.problem(), "replicaset has not read the cluster's state yet");
  state.synced("replicaset");
  equal(state.problem(), undefined);
  state.ended();
  await rejects(state.metrics(signal), /the plugins do not run/);
  equal(state.problem(), "the plugins do not run");
});
