/** `k3ts get`: objects as tables, JSON, YAML or names; with -w as they change. */
import type { Command } from "commander";
import type { KubernetesObject, ResourceClient, Table } from "@k3ts/client";
import type { Connection } from "../connection.ts";
import { type ClusterOptions, interruption, namespaceOptions, withCluster } from "../command.ts";
import { displayName, parseTargets, reference, type Target } from "../names.ts";
import { type Format, FORMATS, renderObjects } from "../output/objects.ts";
import { renderTable } from "../output/table.ts";
import { Problem } from "../problem.ts";

interface GetOptions extends ClusterOptions {
  allNamespaces?: boolean;
  selector?: string;
  fieldSelector?: string;
  output?: string;
  watch?: boolean;
  headers: boolean;
}

export function registerGet(program: Command): void {
  namespaceOptions(program.command("get <resource...>"))
    .description("show objects: k3ts get pods, k3ts get deployment/web")
    .option("-A, --all-namespaces", "of all namespaces")
    .option("-l, --selector <labels>", "only those with these labels")
    .option("--field-selector <fields>", "only those with these fields")
    .option("-o, --output <format>", FORMATS.join(", "))
    .option("-w, --watch", "and then every change")
    .option("--no-headers", "without the line of column names")
    .action((words: string[], options: GetOptions) =>
      withCluster(options, (connection, namespace) => get(words, options, connection, namespace))
    );
}

async function get(words: string[], options: GetOptions, connection: Connection, namespace: string): Promise<void> {
  const format = parseFormat(options.output);
  const targets = parseTargets(words, await connection.clients.discover());
  if (options.watch && targets.length > 1) throw new Problem("Only one resource can be watched at a time.");
  const shown: string[] = [];
  for (const target of targets) {
    const client = connection.clients.of<KubernetesObject>(reference(target.resource));
    const place = target.resource.namespaced && !options.allNamespaces ? namespace : undefined;
    const { text, resourceVersion } = await show(target, client, place, options, format);
    if (text !== "") shown.push(text);
    if (options.watch) await watch(target, client, place, options, text, resourceVersion);
  }
  if (options.watch) return;
  if (shown.length === 0 && format !== "name") {
    const where = options.allNamespaces || !targets[0]!.resource.namespaced ? "." : ` in namespace ${namespace}.`;
    console.error(`No resources found${where}`);
  } else if (shown.length > 0) console.log(shown.join(format === undefined || format === "wide" ? "\n\n" : "\n"));
}

function parseFormat(output: string | undefined): Format | undefined {
  if (output === undefined) return undefined;
  const format = FORMATS.find((format) => format === output);
  if (format === undefined) throw new Problem(`The output must be one of ${FORMATS.join(", ")}: it is "${output}".`);
  return format;
}

interface Shown {
  text: string;
  /** From where a watch misses nothing; undefined: it must begin with what is there. */
  resourceVersion?: string;
}

async function show(
  { resource, names }: Target,
  client: ResourceClient<KubernetesObject>,
  namespace: string | undefined,
  options: GetOptions,
  format: Format | undefined,
): Promise<Shown> {
  const selection = { namespace, labelSelector: options.selector, fieldSelector: options.fieldSelector };
  if (format === undefined || format === "wide") {
    const tables = names.length === 0
      ? [await client.listTable(selection)]
      : await Promise.all(names.map((name) => client.getTable(name, { namespace })));
    const rows = tables.flatMap(({ rows }) => rows);
    const text = rows.length === 0
      ? ""
      : renderRows({ ...tables[0]!, rows }, options, format === "wide", resource.namespaced);
    return { text, resourceVersion: tables[0]?.metadata?.resourceVersion };
  }
  const { items, resourceVersion } = names.length === 0
    ? await client.list(selection)
    : { items: await Promise.all(names.map((name) => client.get(name, { namespace }))), resourceVersion: undefined };
  if (format === "name") {
    return {
      text: items.map(({ metadata }) => displayName(resource, metadata.name ?? "")).join("\n"),
      resourceVersion,
    };
  }
  const apiVersion = resource.group === "" ? resource.version : `${resource.group}/${resource.version}`;
  const typed = items.map((object) => ({ apiVersion, kind: resource.kind, ...object }));
  return { text: renderObjects(typed, format, names.length === 1), resourceVersion };
}

async function watch(
  { resource, names }: Target,
  client: ResourceClient<KubernetesObject>,
  namespace: string | undefined,
  options: GetOptions,
  shown: string,
  resourceVersion: string | undefined,
): Promise<void> {
  if (names.length > 1) throw new Problem("Either one object or all of a resource can be watched.");
  if (shown !== "") console.log(shown);
  const signal = interruption();
  const fieldSelector = names[0] === undefined ? options.fieldSelector : `metadata.name=${names[0]}`;
  try {
    for await (
      const { object } of client.watchTable({
        namespace,
        labelSelector: options.selector,
        fieldSelector,
        resourceVersion,
        signal,
      })
    ) {
      console.log(renderRows(object, { ...options, headers: false }, options.output === "wide", resource.namespaced));
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function renderRows(table: Table, options: GetOptions, wide: boolean, namespaced: boolean): string {
  return renderTable(table, {
    wide,
    withNamespace: namespaced && options.allNamespaces === true,
    withHeader: options.headers,
  });
}
