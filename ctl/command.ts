/** What the commands have in common: options for finding a cluster, and errors as sentences. */
import type { Command } from "commander";
import { connect, type Connection } from "./connection.ts";
import { explain } from "./problem.ts";

export interface ClusterOptions {
  kubeconfig?: string;
  context?: string;
  namespace?: string;
}

export function clusterOptions(command: Command): Command {
  return command
    .option("--kubeconfig <path>", "the kubeconfig to use")
    .option("--context <name>", "the context of the kubeconfig to use");
}

export function namespaceOptions(command: Command): Command {
  return clusterOptions(command).option("-n, --namespace <name>", "the namespace");
}

/** Runs a command's work with a connection that is closed afterwards. */
export async function withCluster(
  options: ClusterOptions,
  work: (connection: Connection, namespace: string) => Promise<void>,
): Promise<void> {
  await attempt(async () => {
    using connection = await connect(options);
    await work(connection, options.namespace ?? connection.access.namespace);
  });
}

/** Ends the process with exit 1 and a sentence when the work fails. */
export async function attempt(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    console.error(explain(error));
    Deno.exitCode = 1;
  }
}

/** Fires at Ctrl-C or SIGTERM. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(name, () => controller.abort(new Error(name)));
  }
  return controller.signal;
}
