/** `k3ts describe`: an object for people, with what happened to it. */
import type { Command } from "commander";
import { type Event, type KubernetesObject, resources, type Secret } from "@k3ts/model/objects";
import type { Connection } from "../connection.ts";
import { type ClusterOptions, namespaceOptions, withCluster } from "../command.ts";
import { parseTargets, reference } from "../names.ts";
import { align } from "../output/table.ts";
import { renderTree } from "../output/tree.ts";
import { ageOf, timeOf } from "./events.ts";

export function registerDescribe(program: Command): void {
  namespaceOptions(program.command("describe <resource...>"))
    .description("all there is to know: k3ts describe pod/web")
    .action((words: string[], options: ClusterOptions) =>
      withCluster(options, (connection, namespace) => describe(words, connection, namespace))
    );
}

async function describe(words: string[], connection: Connection, namespace: string): Promise<void> {
  const texts: string[] = [];
  for (const { resource, names } of parseTargets(words, await connection.clients.discover())) {
    const client = connection.clients.of(reference(resource));
    const place = resource.namespaced ? namespace : undefined;
    const objects = names.length === 0
      ? (await client.list({ namespace: place })).items
      : await Promise.all(names.map((name) => client.get(name, { namespace: place })));
    for (const object of objects as KubernetesObject[]) {
      texts.push(`${renderTree(readable(object, resource.kind === "Secret"))}\n${await events(object, connection)}`);
    }
  }
  console.log(texts.join("\n\n\n"));
}

/** Without what only machines read, and without secrets. */
function readable(
  { metadata, apiVersion: _apiVersion, kind: _kind, ...rest }: KubernetesObject,
  isSecret: boolean,
): Record<string, unknown> {
  const { name, namespace, labels, annotations, creationTimestamp, deletionTimestamp, ownerReferences } = metadata;
  const controlledBy = ownerReferences?.find(({ controller }) => controller);
  return {
    name,
    namespace,
    labels,
    annotations,
    created: creationTimestamp,
    deleted: deletionTimestamp,
    controlledBy: controlledBy && `${controlledBy.kind}/${controlledBy.name}`,
    ...rest,
    ...(isSecret && { data: sizes((rest as Secret).data) }),
  };
}

/** @param data by name, in base64 */
function sizes(data: Record<string, string> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [name, `${atob(value).length} bytes`]));
}

async function events({ metadata }: KubernetesObject, { clients }: Connection): Promise<string> {
  const { items } = await clients.of<Event>(resources.events).list({
    namespace: metadata.namespace,
    fieldSelector: `involvedObject.uid=${metadata.uid}`,
  });
  if (items.length === 0) return "events: <none>";
  const now = Date.now();
  const lines = items.sort((a, b) => timeOf(a) - timeOf(b)).map((event) => [
    `  ${event.type ?? ""}`,
    event.reason ?? "",
    ageOf(event, now),
    event.source?.component ?? event.reportingComponent ?? "",
    (event.message ?? "").trim(),
  ]);
  return `events:\n${align([["  TYPE", "REASON", "AGE", "FROM", "MESSAGE"], ...lines])}`;
}
