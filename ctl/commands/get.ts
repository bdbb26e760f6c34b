/** `k3ts get`: objects as tables, JSON, YAML or names; with -w as they change. */
import type { Command } from "commander";
import type { KubernetesObject, ResourceClient, Table } from "@k3ts/client";
import type { DiscoveredResource } from "@k3ts/proto";
import type { Connection } from "../connection.ts";
import { type ClusterOptions, namespaceOptions, withCluster } from "../command.ts";
import { apiVersionOf, displayName, parseTargets, reference, type Target } from "../names.ts";
import { type Format, FORMATS, renderObjects, withoutManagers } from "../output/objects.ts";
import { renameRows, renderTable } from "../output/table.ts";
import { Problem } from "../problem.ts";
import { follow } from "./watch.ts";

interface GetOptions extends ClusterOptions {
  allNamespaces?: boolean;
  selector?: string;
  fieldSelector?: string;
  output?: string;
  watch?: boolean;
  headers: boolean;
  showManagedFields?: boolean;
}

export function registerGet(program: Command): void {
  namespaceOptions(program.command("get <resource...>"))
    .description("show objects: k3ts get pods, k3ts get deploy/web")
    .option("-A, --all-namespaces", "of all namespaces")
    .option("-l, --selector <labels>", "only those with these labels")
    .option("--field-selector <fields>", "only those with these fields")
    .option("-o, --output <format>", FORMATS.join(", "))
    .option("-w, --watch", "and then every change, until Ctrl-C")
    .option("--no-headers", "without the line of column names")
    .option("--show-managed-fields", "with json and yaml: who manages which field")
    .action((words: string[], options: GetOptions) =>
      withCluster(options, (connection, namespace) => get(words, options, connection, namespace))
    );
}

/** How the objects of one resource are asked for and shown. */
interface View {
  target: Target;
  client: ResourceClient<KubernetesObject>;
  options: GetOptions;
  format: Format | undefined;
  selection: { namespace: string | undefined; labelSelector?: string; fieldSelector?: string };
  /** Whether names are shown with their resource, as there are several. */
  several: boolean;
}

async function get(words: string[], options: GetOptions, { clients }: Connection, namespace: string): Promise<void> {
  const format = parseFormat(options.output);
  const targets = parseTargets(words, await clients.discover());
  if (options.allNamespaces && targets.some(({ names }) => names.length > 0)) {
    throw new Problem("An object that is named is in one namespace: leave -A out, or the name.");
  }
  const views = targets.map((target): View => ({
    target,
    client: clients.of<KubernetesObject>(reference(target.resource)),
    options,
    format,
    selection: {
      namespace: target.resource.namespaced && !options.allNamespaces ? namespace : undefined,
      labelSelector: options.selector,
      fieldSelector: options.fieldSelector,
    },
    several: targets.length > 1,
  }));
  if (options.watch) return await watch(views);
  const found = isTabular(format) ? await showTables(views) : await showObjects(views);
  if (found || format === "name" || format === "json" || format === "yaml") return;
  const everywhere = options.allNamespaces || !targets[0]!.resource.namespaced;
  console.error(`No resources found${everywhere ? "." : ` in namespace ${namespace}.`}`);
}

function parseFormat(output: string | undefined): Format | undefined {
  if (output === undefined) return undefined;
  const format = FORMATS.find((format) => format === output);
  if (format === undefined) throw new Problem(`The output must be one of ${FORMATS.join(", ")}: it is "${output}".`);
  return format;
}

function isTabular(format: Format | undefined): format is "wide" | undefined {
  return format === undefined || format === "wide";
}

/** @returns whether there was anything */
async function showTables(views: readonly View[]): Promise<boolean> {
  const texts: string[] = [];
  for (const view of views) {
    const table = await fetchTable(view);
    if (table.rows.length > 0) texts.push(renderRows(table, view));
  }
  if (texts.length > 0) console.log(texts.join("\n\n"));
  return texts.length > 0;
}

async function fetchTable({ target, client, selection }: View): Promise<Table> {
  if (target.names.length === 0) return await client.listTable(selection);
  const tables = await Promise.all(target.names.map((name) => client.getTable(name, selection)));
  return { ...tables[0]!, rows: tables.flatMap(({ rows }) => rows) };
}

/** @returns whether there was anything */
async function showObjects(views: readonly View[]): Promise<boolean> {
  const found: [DiscoveredResource, KubernetesObject][] = [];
  for (const { target, client, selection } of views) {
    const objects = target.names.length === 0
      ? (await client.list(selection)).items
      : await Promise.all(target.names.map((name) => client.get(name, selection)));
    for (const object of objects) found.push([target.resource, object]);
  }
  const { format, options } = views[0]!;
  const single = views.length === 1 && views[0]!.target.names.length === 1;
  if (format !== "name") {
    const typed = found.map(([resource, object]) => complete(resource, object, options));
    console.log(renderObjects(typed, format as "json" | "yaml", single));
  } else if (found.length > 0) {
    console.log(found.map(([resource, object]) => displayName(resource, object.metadata.name ?? "")).join("\n"));
  }
  return found.length > 0;
}

function complete(resource: DiscoveredResource, object: KubernetesObject, options: GetOptions): KubernetesObject {
  const typed = { apiVersion: apiVersionOf(resource), kind: resource.kind, ...object };
  return options.showManagedFields ? typed : withoutManagers(typed);
}

async function watch(views: readonly View[]): Promise<void> {
  const [view] = views;
  const [name, ...more] = view!.target.names;
  if (views.length > 1 || more.length > 0) {
    throw new Problem("Either one object or all of one resource can be watched.");
  }
  const selection = {
    ...view!.selection,
    ...(name !== undefined && { fieldSelector: `metadata.name=${name}` }),
    allowBookmarks: true,
  };
  return isTabular(view!.format) ? await watchTables(view!, selection) : await watchObjects(view!, selection);
}

async function watchTables(view: View, selection: View["selection"]): Promise<void> {
  const { client, target } = view;
  const table = await client.listTable(selection);
  // A name that is not there is an error, as without -w.
  if (table.rows.length === 0 && target.names.length > 0) await fetchTable(view);
  const widths: number[] = [];
  if (table.rows.length > 0) console.log(renderRows(table, view, widths));
  const changes = follow({
    open: (resourceVersion) => client.watchTable({ ...selection, resourceVersion }),
    revisionOf: ({ rows, metadata }) => rows.at(-1)?.object?.metadata.resourceVersion ?? metadata?.resourceVersion,
    from: table.metadata?.resourceVersion,
  });
  const headless = { ...view, options: { ...view.options, headers: false } };
  for await (const change of changes) if (change.rows.length > 0) console.log(renderRows(change, headless, widths));
}

async function watchObjects(view: View, selection: View["selection"]): Promise<void> {
  const { target: { resource }, client, options, format } = view;
  const show = (object: KubernetesObject) => {
    if (format === "name") return console.log(displayName(resource, object.metadata.name ?? ""));
    const text = renderObjects([complete(resource, object, options)], format as "json" | "yaml", true);
    console.log(format === "yaml" ? `---\n${text}` : text);
  };
  const { items, resourceVersion } = await client.list(selection);
  items.forEach(show);
  const changes = follow({
    open: (resourceVersion) => client.watch({ ...selection, resourceVersion }),
    revisionOf: ({ metadata }) => metadata.resourceVersion,
    from: resourceVersion,
  });
  for await (const object of changes) show(object);
}

/** @param widths of columns that were shown before; grows */
function renderRows(
  table: Table,
  { target: { resource }, options, format, several }: View,
  widths: number[] = [],
): string {
  const named = several ? renameRows(table, (name) => displayName(resource, name)) : table;
  return renderTable(named, {
    wide: format === "wide",
    withNamespace: resource.namespaced && options.allNamespaces === true,
    withHeader: options.headers,
    widths,
  });
}
