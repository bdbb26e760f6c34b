/** `k3ts run`: a pod of one image. */
import type { Command } from "commander";
import type { KubernetesObject } from "@k3ts/client";
import { resources } from "@k3ts/model/objects";
import { type ClusterOptions, collect, namespaceOptions, withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { parseDryRun } from "../dry_run.ts";
import { makePod, parsePairs } from "../generate/pods.ts";
import { portNumber } from "../generate/services.ts";
import { findResource } from "../names.ts";
import { parseObjectFormat } from "../output/format.ts";
import { Problem } from "../problem.ts";
import { createOne, tell, type WriteOptions, writeOptions } from "./written.ts";

interface RunOptions extends ClusterOptions, WriteOptions {
  image: string;
  labels?: string;
  env?: string[];
  port?: string;
  restart: string;
  command?: boolean;
  stdin?: boolean;
  tty?: boolean;
}

export function registerRun(program: Command): void {
  writeOptions(namespaceOptions(program.command("run <name> [words...]")))
    .description("run a pod: k3ts run web --image nginx, k3ts run job --image busybox --restart Never -- echo hi")
    .requiredOption("--image <image>", "what it runs")
    .option("-l, --labels <labels>", "its labels: a=b,c=d (default: run=NAME)")
    .option("--env <name=value>", "a variable of its environment; may be repeated", collect)
    .option("--port <number>", "where it listens")
    .option("--restart <policy>", "when it is run again: Always, OnFailure, Never", "Always")
    .option("--command", "the words are the command itself, not its arguments")
    .option("-i, --stdin", "keep its standard input open, for k3ts attach")
    .option("-t, --tty", "give it a terminal")
    .action((name: string, words: string[], options: RunOptions) =>
      withCluster(options, (connection, namespace) => run(name, words, options, connection, namespace))
    );
}

async function run(
  name: string,
  words: string[],
  options: RunOptions,
  { clients }: Connection,
  namespace: string,
): Promise<void> {
  const dryRun = parseDryRun(options.dryRun);
  const format = parseObjectFormat(options.output);
  const { image, restart, command = false, stdin = false, tty = false } = options;
  const port = options.port === undefined ? undefined : portNumber(options.port);
  if (options.port !== undefined && port === undefined) {
    throw new Problem(`--port must be from 1 to 65535: it is "${options.port}".`);
  }
  const pod = makePod(name, {
    image,
    labels: parsePairs("--labels", options.labels?.split(",") ?? []),
    env: parsePairs("--env", options.env ?? []),
    restart,
    words,
    isCommand: command,
    stdin,
    tty,
    ...(port !== undefined && { port }),
  });
  const resource = findResource("pods", await clients.discover());
  tell(
    resource,
    await createOne(clients.of<KubernetesObject>(resources.pods), pod, namespace, dryRun),
    "created",
    dryRun,
    format,
  );
}
