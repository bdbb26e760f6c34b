/** `k3ts events`: what happened, in the order in which it did. */
import type { Command } from "commander";
import { type Event, formatAge, resources } from "@k3ts/model/objects";
import { type ClusterOptions, namespaceOptions, withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { findResource } from "../names.ts";
import { parseObjectFormat, showObjects } from "../output/format.ts";
import { align } from "../output/table.ts";
import { Problem } from "../problem.ts";
import { writeText } from "../output/write.ts";
import { follow } from "./watch.ts";

interface EventsOptions extends ClusterOptions {
  allNamespaces?: boolean;
  for?: string;
  types?: string;
  watch?: boolean;
  output?: string;
  headers: boolean;
}

export function registerEvents(program: Command): void {
  namespaceOptions(program.command("events"))
    .description("what happened: k3ts events, k3ts events --for pod/web")
    .option("-A, --all-namespaces", "in all namespaces")
    .option("--for <object>", "only to this one: pod/web")
    .option("--types <types>", "only of these types, parted by commas: Warning, Normal")
    .option("-w, --watch", "and what happens from now on, until Ctrl-C")
    .option("-o, --output <format>", "json, yaml, name, jsonpath=TEMPLATE, …")
    .option("--no-headers", "without the line of column names")
    .action((options: EventsOptions) =>
      withCluster(options, (connection, namespace) => events(options, connection, namespace))
    );
}

async function events(options: EventsOptions, { clients }: Connection, home: string): Promise<void> {
  const format = parseObjectFormat(options.output);
  const discovered = await clients.discover();
  const selection = {
    namespace: options.allNamespaces ? undefined : home,
    ...(options.for !== undefined &&
      { fieldSelector: fieldsOf(options.for, (kind) => findResource(kind, discovered).kind) }),
  };
  const isWanted = typeFilter(options.types);
  const client = clients.of<Event>(resources.events);
  const { items, resourceVersion } = await client.list(selection);
  const found = items.filter(isWanted).toSorted((a, b) => timeOf(a) - timeOf(b));
  if (format !== undefined && !options.watch) {
    const resource = findResource("events", discovered);
    return writeText(showObjects(found.map((object) => ({ resource, object })), format, { single: false }));
  }
  if (format !== undefined) throw new Problem("Events that are watched are shown as lines: leave -o or -w out.");
  if (found.length === 0 && !options.watch) {
    console.error(options.allNamespaces ? "No events found." : `No events found in namespace ${home}.`);
    return;
  }
  const widths: number[] = [];
  const withNamespace = options.allNamespaces === true;
  const header = options.headers ? [headerOf(withNamespace)] : [];
  const lines = [...header, ...found.map((event) => lineOf(event, withNamespace, Date.now()))];
  if (lines.length > 0) console.log(align(lines, widths));
  if (!options.watch) return;
  const changes = follow({
    open: (resourceVersion) => client.watch({ ...selection, resourceVersion, allowBookmarks: true }),
    revisionOf: ({ metadata }) => metadata.resourceVersion,
    from: resourceVersion,
    // Events that end are forgotten, and that is nothing that happened.
    isShown: (type) => type !== "DELETED",
  });
  for await (const event of changes) {
    if (isWanted(event)) console.log(align([lineOf(event, withNamespace, Date.now())], widths));
  }
}

/** @param kindOf a word for a resource */
export function fieldsOf(object: string, kindOf: (word: string) => string): string {
  const [word = "", name, ...more] = object.split("/");
  if (word === "" || !name || more.length > 0) {
    throw new Problem(`--for must be RESOURCE/NAME, such as pod/web: it is "${object}".`);
  }
  return `involvedObject.kind=${kindOf(word)},involvedObject.name=${name}`;
}

const TYPES = ["Normal", "Warning"];

/** @throws {Problem} */
export function typeFilter(types: string | undefined): (event: Pick<Event, "type">) => boolean {
  if (types === undefined) return () => true;
  const wanted = types.split(",").map((word) => {
    const type = TYPES.find((type) => type.toLowerCase() === word.trim().toLowerCase());
    if (type === undefined) throw new Problem(`--types must be of ${TYPES.join(", ")}: it is "${types}".`);
    return type;
  });
  return ({ type }) => wanted.includes(type ?? "Normal");
}

/** ms since the epoch, of the last time that it happened */
export function timeOf({ series, lastTimestamp, eventTime, metadata }: Event): number {
  return Date.parse(series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp);
}

function headerOf(withNamespace: boolean): string[] {
  return [...(withNamespace ? ["NAMESPACE"] : []), "LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"];
}

/** @param now ms since the epoch */
export function lineOf(event: Event, withNamespace: boolean, now: number): string[] {
  const { metadata, type = "", reason = "", involvedObject, message = "" } = event;
  return [
    ...(withNamespace ? [metadata.namespace ?? ""] : []),
    ageOf(event, now),
    type,
    reason,
    `${involvedObject?.kind ?? ""}/${involvedObject?.name ?? ""}`,
    message.trim().replaceAll("\n", " "),
  ];
}

/** `2m (x5 over 10m)` where it happened several times. */
export function ageOf(event: Event, now: number): string {
  const last = formatAge(now - timeOf(event));
  const count = event.series?.count ?? event.count ?? 1;
  if (count <= 1) return last;
  const first = Date.parse(event.firstTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp);
  return `${last} (x${count} over ${formatAge(now - first)})`;
}
