/** `k3ts get`: objects as tables, JSON, YAML or names; with -w as they change. */
import type { Command } from "commander";
import { isNotFound, type KubernetesObject, type ResourceClient, type Table } from "@k3ts/client";
import type { Connection } from "../connection.ts";
import { type ClusterOptions, namespaceOptions, withCluster } from "../command.ts";
import { displayName, parseTargets, reference, type Target } from "../names.ts";
import { FORMAT_NAMES, type ObjectFormat, parseFormat, type Shown, showObjects } from "../output/format.ts";
import { find, parseRelaxed } from "../output/jsonpath.ts";
import { renameRows, renderTable } from "../output/table.ts";
import { compareValues } from "../output/sort.ts";
import { writeText } from "../output/write.ts";
import { Problem } from "../problem.ts";
import { follow } from "./watch.ts";

interface GetOptions extends ClusterOptions {
  allNamespaces?: boolean;
  selector?: string;
  fieldSelector?: string;
  output?: string;
  watch?: boolean;
  watchOnly?: boolean;
  headers: boolean;
  showManagedFields?: boolean;
  showLabels?: boolean;
  labelColumns?: string;
  sortBy?: string;
  ignoreNotFound?: boolean;
}

export function registerGet(program: Command): void {
  namespaceOptions(program.command("get <resource...>"))
    .description("show objects: k3ts get pods, k3ts get deploy/web")
    .option("-A, --all-namespaces", "of all namespaces")
    .option("-l, --selector <labels>", "only those with these labels")
    .option("--field-selector <fields>", "only those with these fields")
    .option("-o, --output <format>", FORMAT_NAMES)
    .option("-w, --watch", "and then every change, until Ctrl-C")
    .option("--watch-only", "only changes, not what is there now")
    .option("--no-headers", "without the line of column names")
    .option("--show-labels", "with a column of all labels")
    .option("-L, --label-columns <labels>", "with a column for each of these labels, parted by commas")
    .option("--sort-by <path>", "in the order of a field: .metadata.creationTimestamp")
    .option("--ignore-not-found", "what is not there is no error")
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
  format: ObjectFormat | "wide" | undefined;
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
  if (options.watch || options.watchOnly) return await watch(views);
  if (isObjects(format)) return await printObjects(views, format);
  if (await showTables(views)) return;
  const everywhere = options.allNamespaces || !targets[0]!.resource.namespaced;
  if (!options.ignoreNotFound) {
    console.error(`No resources found${everywhere ? "." : ` in namespace ${namespace}.`}`);
  }
}

function isObjects(format: View["format"]): format is ObjectFormat {
  return typeof format === "object";
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

async function fetchTable(view: View): Promise<Table> {
  const { target, client, selection, options } = view;
  if (target.names.length === 0) {
    const table = await client.listTable(selection);
    return options.sortBy === undefined ? table : { ...table, rows: await sortRows(table, view) };
  }
  const tables = await Promise.all(
    target.names.map((name) => client.getTable(name, selection).catch((error) => forgive(error, options))),
  );
  const found = tables.filter((table) => table !== undefined);
  return { columnDefinitions: [], ...found[0], rows: found.flatMap(({ rows }) => rows) };
}

/** A table has no more of its objects than their metadata. */
async function sortRows(table: Table, view: View): Promise<Table["rows"]> {
  const keyOf = ({ metadata }: KubernetesObject) => `${metadata.namespace ?? ""}/${metadata.name}`;
  const order = new Map((await fetchObjects(view)).map((object, index) => [keyOf(object), index]));
  const place = (row: Table["rows"][number]) => (row.object && order.get(keyOf(row.object))) ?? order.size;
  return table.rows.toSorted((a, b) => place(a) - place(b));
}

async function fetchObjects({ target, client, selection, options }: View): Promise<KubernetesObject[]> {
  const objects = target.names.length === 0 ? (await client.list(selection)).items : (await Promise.all(
    target.names.map((name) => client.get(name, selection).catch((error) => forgive(error, options))),
  )).filter((object) => object !== undefined);
  if (options.sortBy === undefined) return objects;
  const path = parseRelaxed(options.sortBy);
  return objects.toSorted((a, b) => compareValues(find(path, a)[0], find(path, b)[0]));
}

function forgive(error: unknown, { ignoreNotFound }: GetOptions): undefined {
  if (!ignoreNotFound || !isNotFound(error)) throw error;
  return undefined;
}

async function printObjects(views: readonly View[], format: ObjectFormat): Promise<void> {
  const shown: Shown[] = [];
  for (const view of views) {
    for (const object of await fetchObjects(view)) shown.push({ resource: view.target.resource, object });
  }
  const { options } = views[0]!;
  const single = views.length === 1 && views[0]!.target.names.length === 1;
  if (single && shown.length === 0) return; // it was not found, and that was to be ignored
  writeText(showObjects(shown, format, { single, ...options }));
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
  const { format } = view!;
  return isObjects(format) ? await watchObjects(view!, format, selection) : await watchTables(view!, selection);
}

async function watchTables(view: View, selection: View["selection"]): Promise<void> {
  const { client, target, options } = view;
  const table = await client.listTable(selection);
  // A name that is not there is an error, as without -w.
  if (table.rows.length === 0 && target.names.length > 0) await fetchTable(view);
  const widths: number[] = [];
  if (table.rows.length > 0 && !options.watchOnly) console.log(renderRows(table, view, widths));
  const changes = follow({
    open: (resourceVersion) => client.watchTable({ ...selection, resourceVersion }),
    revisionOf: ({ rows, metadata }) => rows.at(-1)?.object?.metadata.resourceVersion ?? metadata?.resourceVersion,
    from: table.metadata?.resourceVersion,
  });
  const headless = { ...view, options: { ...view.options, headers: false } };
  for await (const change of changes) if (change.rows.length > 0) console.log(renderRows(change, headless, widths));
}

async function watchObjects(view: View, format: ObjectFormat, selection: View["selection"]): Promise<void> {
  const { target: { resource }, client, options } = view;
  let isFirst = true;
  const show = (object: KubernetesObject) => {
    const text = showObjects([{ resource, object }], format, {
      single: true,
      ...options,
      headers: isFirst && options.headers,
    });
    isFirst = false;
    writeText(format.type === "yaml" ? `---\n${text}` : text);
  };
  const { items, resourceVersion } = await client.list(selection);
  if (!options.watchOnly) items.forEach(show);
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
  return renderTable(withLabels(named, options), {
    wide: format === "wide",
    withNamespace: resource.namespaced && options.allNamespaces === true,
    withHeader: options.headers,
    widths,
  });
}

function withLabels(table: Table, { labelColumns, showLabels }: GetOptions): Table {
  const labels = labelColumns?.split(",").filter((label) => label !== "") ?? [];
  const added = [...labels.map((label) => label.slice(label.lastIndexOf("/") + 1)), ...(showLabels ? ["Labels"] : [])];
  if (added.length === 0) return table;
  const column = (name: string) => ({ name, type: "string", format: "", description: "", priority: 0 });
  return {
    ...table,
    columnDefinitions: [...table.columnDefinitions, ...added.map(column)],
    rows: table.rows.map((row) => {
      const own = row.object?.metadata.labels ?? {};
      const all = Object.entries(own).map(([name, value]) => `${name}=${value}`).join(",");
      return { ...row, cells: [...row.cells, ...labels.map((label) => own[label]), ...(showLabels ? [all] : [])] };
    }),
  };
}
