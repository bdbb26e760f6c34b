/**
 * A cluster of several machines to look at, on this one, until Ctrl-C:
 *
 *     deno run -A tests/e2e/start_nodes.ts [--agents 2] [--server-only]
 */
import { parseArgs } from "node:util";
import { TestNodes } from "./nodes.ts";

const { values } = parseArgs({
  options: { agents: { type: "string", default: "2" }, "server-only": { type: "boolean", default: false } },
});
const ended = Promise.withResolvers<void>();
Deno.addSignalListener("SIGINT", () => ended.resolve());
Deno.addSignalListener("SIGTERM", () => ended.resolve());

await using nodes = await TestNodes.start({
  agents: Number(values.agents),
  first: values["server-only"] ? "server" : "up",
});
console.log(`export KUBECONFIG=${nodes.first.kubeconfig}`);
for (const machine of [nodes.first, ...nodes.agents]) {
  console.log(`${machine.name}: nsenter --net=/run/netns/${machine.namespace}   # its files: ${machine.dataDir}`);
}
console.log(`kubectl: ${nodes.first.kubectlPath}\nCtrl-C ends and removes it.`);
await ended.promise;
