/** `k3ts api-resources`: what the server knows of. */
import type { Command } from "commander";
import { type ClusterOptions, clusterOptions, withCluster } from "../command.ts";
import { apiVersionOf } from "../names.ts";
import { align } from "../output/table.ts";

export function registerApiResources(program: Command): void {
  clusterOptions(program.command("api-resources"))
    .description("the kinds of objects, and what they may be called")
    .action((options: ClusterOptions) =>
      withCluster(options, async ({ clients }) => {
        const rows = (await clients.discover()).filter(({ preferred }) => preferred)
          .sort((a, b) => a.group < b.group ? -1 : a.group > b.group ? 1 : a.resource < b.resource ? -1 : 1)
          .map((row) => [row.resource, row.shortNames.join(","), apiVersionOf(row), `${row.namespaced}`, row.kind]);
        console.log(align([["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"], ...rows]));
      })
    );
}
