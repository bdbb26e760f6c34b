/** What the commands have in common: options for finding a cluster, and errors as sentences. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { resolve } from "node:path";
import { connect, type Connection, type ConnectionOptions, DATA_DIR } from "./connection.ts";
import { explain } from "./problem.ts";

export interface ClusterOptions extends ConnectionOptions {
  namespace?: string;
}

export function clusterOptions(command: Command): Command {
  return command
    .option("--kubeconfig <path>", "the kubeconfig to use (default: KUBECONFIG, this machine's, ~/.kube/config)")
    .option("--context <name>", "the context of the kubeconfig to use")
    .option("--as <user>", "act as this user; for a service account system:serviceaccount:NAMESPACE:NAME")
    .option("--as-group <group>", "with --as: as a member of this group; may be repeated", collect)
    .option("--as-uid <uid>", "with --as: as the user with this UID");
}

export function namespaceOptions(command: Command): Command {
  return clusterOptions(command).option("-n, --namespace <name>", "the namespace (default: the context's)");
}

/** For options that may be repeated. */
export function collect(value: string, earlier: string[] = []): string[] {
  return [...earlier, value];
}

export function dataDirOption(): Option {
  return new Option("--data-dir <path>", "where k3ts keeps its files").env("K3TS_DATA_DIR").default(DATA_DIR)
    .argParser(parseDataDir);
}

/** The kernel takes 107 bytes for the path of a socket, and those of containers have 45 below the data directory. */
const DATA_DIR_BYTES_MAX = 107 - "/node/containers/0123456789abcdef/attach.sock".length;

/** @throws with a sentence of its own where sockets in the folder could not be reached */
export function parseDataDir(text: string): string {
  const bytes = new TextEncoder().encode(resolve(text)).length;
  if (bytes <= DATA_DIR_BYTES_MAX) return text;
  throw new InvalidArgumentError(`It must have at most ${DATA_DIR_BYTES_MAX} bytes: it has ${bytes}.`);
}

/** Runs a command's work with a connection that is closed afterwards. @param failure as {@link attempt} */
export async function withCluster(
  options: ClusterOptions,
  work: (connection: Connection, namespace: string) => Promise<void>,
  failure?: number,
): Promise<void> {
  await attempt(async () => {
    using connection = await connect(options);
    await work(connection, options.namespace ?? connection.access.namespace);
  }, failure);
}

/** Prints a sentence when the work fails. @param failure the process's exit code then */
export async function attempt(work: () => Promise<void>, failure = 1): Promise<void> {
  try {
    await work();
  } catch (error) {
    Deno.exitCode = failure;
    // Whoever reads our output, such as `head`, has had enough.
    if (!(error instanceof Deno.errors.BrokenPipe)) console.error(explain(error));
  }
}

/** Fires at Ctrl-C, SIGTERM or the end of the terminal, for work that has to be ended in order. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(name, () => controller.abort(new Error(name)));
  }
  return controller.signal;
}
