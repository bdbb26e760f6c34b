/** `k3ts cordon` and `uncordon`: whether a node takes new pods. */
import type { Command } from "commander";
import { type Node, resources } from "@k3ts/model/objects";
import { type ClusterOptions, clusterOptions, withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { type DryRun, dryRunOption, dryRunSuffix, parseDryRun } from "../dry_run.ts";
import { Problem } from "../problem.ts";

export interface NodeSelection extends ClusterOptions {
  selector?: string;
  dryRun?: string;
}

export function registerCordon(program: Command): void {
  const command = (name: string, description: string, cordoned: boolean) =>
    nodeOptions(program.command(`${name} [node...]`)).description(description)
      .action((names: string[], options: NodeSelection) =>
        withCluster(options, async (connection) => {
          for (const node of await selectNodes(names, options, connection)) {
            await setCordoned(node, cordoned, connection, parseDryRun(options.dryRun));
          }
        })
      );
  command("cordon", "have a node take no new pods: k3ts cordon n1", true);
  command("uncordon", "have a node take pods again: k3ts uncordon n1", false);
}

export function nodeOptions(command: Command): Command {
  return clusterOptions(command)
    .option("-l, --selector <labels>", "all nodes with these labels")
    .addOption(dryRunOption());
}

/** @param names `n1` or `node/n1` */
export async function selectNodes(
  names: readonly string[],
  { selector }: NodeSelection,
  { clients }: Connection,
): Promise<Node[]> {
  if ((names.length > 0) === (selector !== undefined)) {
    throw new Problem(
      "Nodes are either named or selected with -l: do one of the two.",
      "See them with: k3ts get nodes",
    );
  }
  const client = clients.of<Node>(resources.nodes);
  if (selector === undefined) return await Promise.all(names.map((name) => client.get(name.replace(/^nodes?\//, ""))));
  const { items } = await client.list({ labelSelector: selector });
  if (items.length === 0) {
    throw new Problem(`No node has the labels ${selector}.`, "See them with: k3ts get nodes --show-labels");
  }
  return items;
}

export async function setCordoned(
  { metadata, spec }: Node,
  cordoned: boolean,
  { clients }: Connection,
  dryRun: DryRun,
): Promise<void> {
  const done = cordoned ? "cordoned" : "uncordoned";
  const suffix = dryRunSuffix(dryRun);
  if ((spec?.unschedulable ?? false) === cordoned) return console.log(`node/${metadata.name} already ${done}${suffix}`);
  if (dryRun !== "client") {
    const patch = { spec: { unschedulable: cordoned ? true : null } };
    await clients.of<Node>(resources.nodes).patch(metadata.name, { type: "merge", patch, dryRun: dryRun === "server" });
  }
  console.log(`node/${metadata.name} ${done}${suffix}`);
}
