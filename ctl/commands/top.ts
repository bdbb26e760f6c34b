/** `k3ts top`: what nodes and pods use, from the metrics API. */
import type { Command } from "commander";
import { ApiError } from "@k3ts/client";
import { type Node, resources } from "@k3ts/model/objects";
import { type ClusterOptions, clusterOptions, namespaceOptions, withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { align } from "../output/table.ts";
import { type NodeMetrics, nodeRows, type PodMetrics, podRows, type SortBy, type Usage } from "../output/usage.ts";
import { Problem } from "../problem.ts";

interface TopOptions extends ClusterOptions {
  selector?: string;
  fieldSelector?: string;
  sortBy?: string;
  headers: boolean;
  allNamespaces?: boolean;
  containers?: boolean;
  sum?: boolean;
}

export function registerTop(program: Command): void {
  const top = program.command("top").description("what nodes and pods use");
  const common = (command: Command) =>
    command.option("-l, --selector <labels>", "only those with these labels")
      .option("--sort-by <what>", "cpu or memory, the largest first")
      .option("--no-headers", "without the line of column names");
  common(clusterOptions(top.command("nodes [node]").aliases(["node", "no"])))
    .description("processors and memory of nodes")
    .action((name: string | undefined, options: TopOptions) =>
      withCluster(options, (connection) => topNodes(name, options, connection))
    );
  common(namespaceOptions(top.command("pods [pod]").aliases(["pod", "po"])))
    .description("processors and memory of pods")
    .option("-A, --all-namespaces", "of all namespaces")
    .option("--field-selector <fields>", "only those with these fields")
    .option("--containers", "a line a container")
    .option("--sum", "with all of them together in a last line")
    .action((name: string | undefined, options: TopOptions) =>
      withCluster(options, (connection, namespace) => topPods(name, options, connection, namespace))
    );
}

const API = "/apis/metrics.k8s.io/v1beta1";

async function topNodes(name: string | undefined, options: TopOptions, connection: Connection): Promise<void> {
  const sortBy = parseSortBy(options.sortBy);
  const metrics = await ask<NodeMetrics>(connection, "nodes", name, options);
  const { items } = await connection.clients.of<Node>(resources.nodes).list();
  const allocatable = new Map(
    items.map(({ metadata, status }) => [metadata.name, (status?.allocatable ?? {}) as Usage]),
  );
  show(["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"], nodeRows(metrics, allocatable, sortBy), options);
}

async function topPods(
  name: string | undefined,
  options: TopOptions,
  connection: Connection,
  namespace: string,
): Promise<void> {
  const sortBy = parseSortBy(options.sortBy);
  const withNamespace = options.allNamespaces === true;
  if (name !== undefined && withNamespace) throw new Problem("A pod that is named is in one namespace: leave -A out.");
  const { containers = false, sum = false } = options;
  const metrics = await ask<PodMetrics>(
    connection,
    withNamespace ? "pods" : `namespaces/${namespace}/pods`,
    name,
    options,
  );
  const header = [
    ...(withNamespace ? ["NAMESPACE"] : []),
    ...(containers ? ["POD"] : []),
    "NAME",
    "CPU(cores)",
    "MEMORY(bytes)",
  ];
  show(header, podRows(metrics, { withNamespace, containers, sum: sum && metrics.length > 0, sortBy }), options);
}

function parseSortBy(word: string | undefined): SortBy {
  if (word === undefined || word === "cpu" || word === "memory") return word;
  throw new Problem(`--sort-by must be cpu or memory: it is "${word}".`);
}

/** @throws {Problem} when nobody measures */
async function ask<T>(
  connection: Connection,
  path: string,
  name: string | undefined,
  options: TopOptions,
): Promise<T[]> {
  const query = new URLSearchParams();
  if (options.selector !== undefined) query.set("labelSelector", options.selector);
  if (options.fieldSelector !== undefined) query.set("fieldSelector", options.fieldSelector);
  if (name !== undefined && query.size > 0) throw new Problem("Either a name or a selector can be given, not both.");
  const url = `${API}/${path}${name === undefined ? "" : `/${encodeURIComponent(name)}`}${
    query.size > 0 ? `?${query}` : ""
  }`;
  try {
    const answer = await connection.rest.get(url) as T & { items?: T[] };
    return name === undefined ? answer.items ?? [] : [answer];
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 404 && error.code !== 503) throw error;
    if (error.code === 404 && await isServed(connection)) throw notMeasured(path, name);
    throw new Problem(
      error.code === 404
        ? "The server has no metrics API (metrics.k8s.io/v1beta1), which tells what nodes and pods use."
        : `The metrics API (metrics.k8s.io/v1beta1) does not answer: ${error.message}`,
      "Another server may have to be updated: k3ts version",
      { cause: error },
    );
  }
}

async function isServed({ rest }: Connection): Promise<boolean> {
  return await rest.get(API).then(() => true, (error) => {
    if (error instanceof ApiError && error.code === 404) return false;
    throw error;
  });
}

function notMeasured(path: string, name: string | undefined): Problem {
  const what = path.endsWith("nodes") ? "node" : "pod";
  return new Problem(
    `There are no figures of ${what} ${name}.`,
    `It may not exist, or may have started just now: k3ts get ${what}s`,
  );
}

function show(header: string[], rows: string[][], { headers }: TopOptions): void {
  if (rows.length === 0) return console.error("No figures found: what has just started is measured a moment later.");
  console.log(align(headers ? [header, ...rows] : rows));
}
