import { equal } from "node:assert/strict";
import { PluginState } from "./plugin_state.ts";

Deno.test("plugins are ready when every controller knows the cluster, and no longer when they have ended", () => {
  const state = new PluginState();
  equal(state.problem(), "the plugins do not run");
  state.started(["scheduler", "replicaset"]);
  equal(state.problem(), "scheduler and 1 other controllers have not read the cluster's state yet");
  state.synced("scheduler");
  equal(state.problem(), "replicaset has not read the cluster's state yet");
  state.synced("replicaset");
  equal(state.problem(), undefined);
  state.ended();
  equal(state.problem(), "the plugins do not run");
});
