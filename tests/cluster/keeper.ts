/**
 * The process that keeps the cluster to try things on, apart from any shell; `main.ts` starts it.
 *
 *     deno run -A tests/cluster/keeper.ts NODES [server-only]
 */
import { nativeFolder } from "@k3ts/ffi";
import { TestNodes } from "../e2e/nodes.ts";
import { startOf } from "../e2e/sweep.ts";
import { provideImage } from "../e2e/workloads.ts";
import { type ClusterState, forgetState, kubeconfigOf, programsOf, writeState } from "./state.ts";

const [count = "1", mode] = Deno.args;
const state: ClusterState = {
  test: "",
  keeper: { pid: Deno.pid, start: (await startOf(Deno.pid))! },
  nodes: Number(count),
  serverOnly: mode === "server-only",
  isReady: false,
};

const ended = Promise.withResolvers<void>();
{
  await using nodes = await TestNodes.start({
    agents: state.serverOnly ? state.nodes : state.nodes - 1,
    first: state.serverOnly ? "server" : "up",
    // A cluster to look at is told of before it is made, so that it can be removed from its first moment on.
    onMade: (test) => writeState({ ...state, test }),
  });
  await provideImage(state.serverOnly ? nodes.agents : [nodes.first, ...nodes.agents]);
  await writePrograms(nodes);
  const kubeconfig = await Deno.readTextFile(nodes.first.kubeconfig);
  const elsewhere = kubeconfig.replace(/server: \S+/, `server: ${nodes.server}`);
  await Deno.writeTextFile(kubeconfigOf(nodes.test), elsewhere, { mode: 0o600 });
  // Until now a signal ends it at once, and what it has made is taken away by whoever sent it.
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => ended.resolve());
  await writeState({ ...state, test: nodes.test, isReady: true });
  await ended.promise;
}
await forgetState();

/** `kubectl` and `k3ts` for the PATH of whoever is on its machines. */
async function writePrograms(nodes: TestNodes): Promise<void> {
  const folder = programsOf(nodes.test);
  await Deno.mkdir(folder);
  await Deno.symlink(nodes.first.kubectlPath, `${folder}/kubectl`);
  const words = nodes.first.k3tsCommand().map((word) => `"${word}"`).join(" ");
  const script = `#!/bin/sh\nK3TS_NATIVE="\${K3TS_NATIVE:-${nativeFolder()}}" exec ${words} "$@"\n`;
  await Deno.writeTextFile(`${folder}/k3ts`, script, { mode: 0o755 });
}
