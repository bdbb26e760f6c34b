/** `k3ts apply` and `k3ts delete`: manifests as server-side apply, and their removal. */
import type { Command } from "commander";
import { isNotFound, type KubernetesObject, type ResourceClient, waitFor } from "@k3ts/client";
import type { DiscoveredResource } from "@k3ts/proto";
import { type ClusterOptions, interruption, namespaceOptions, withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { readManifests } from "../manifests.ts";
import { displayName, parseTargets, reference } from "../names.ts";
import { Problem } from "../problem.ts";

const FIELD_MANAGER = "k3ts";

interface ApplyOptions extends ClusterOptions {
  filename: string[];
  force?: boolean;
}

interface DeleteOptions extends ClusterOptions {
  filename?: string[];
  gracePeriod?: string;
  cascade: string;
  wait: boolean;
  ignoreNotFound?: boolean;
}

export function registerApply(program: Command): void {
  namespaceOptions(program.command("apply"))
    .description("make the cluster as files say: k3ts apply -f web.yaml")
    .requiredOption("-f, --filename <path...>", "files, folders, or - for standard input")
    .option("--force", "take over fields that others manage")
    .action((options: ApplyOptions) =>
      withCluster(options, (connection, namespace) => apply(options, connection, namespace))
    );
}

export function registerDelete(program: Command): void {
  namespaceOptions(program.command("delete [resource...]"))
    .description("delete objects: k3ts delete pod/web, k3ts delete -f web.yaml")
    .option("-f, --filename <path...>", "files, folders, or - for standard input")
    .option("--grace-period <seconds>", "time to end; 0 with pods: at once")
    .option("--cascade <policy>", "what becomes of dependents: background, foreground, orphan", "background")
    .option("--ignore-not-found", "what is not there is no error")
    .option("--no-wait", "return before they are gone")
    .action((words: string[], options: DeleteOptions) =>
      withCluster(options, (connection, namespace) => remove(words, options, connection, namespace))
    );
}

interface Located {
  resource: DiscoveredResource;
  object: KubernetesObject;
  client: ResourceClient<KubernetesObject>;
  namespace: string | undefined;
}

/** @throws when the server has no such kind */
export async function locate(
  objects: readonly KubernetesObject[],
  connection: Connection,
  namespace: string,
): Promise<Located[]> {
  const discovered = await connection.clients.discover();
  return objects.map((object) => {
    const resource = discovered.find((row) => row.kind === object.kind && apiVersionOf(row) === object.apiVersion);
    if (resource === undefined) throw new Problem(`The server has no kind ${object.kind} in ${object.apiVersion}.`);
    const client = connection.clients.of<KubernetesObject>(reference(resource));
    return {
      resource,
      object,
      client,
      namespace: resource.namespaced ? object.metadata.namespace ?? namespace : undefined,
    };
  });
}

async function apply(options: ApplyOptions, connection: Connection, namespace: string): Promise<void> {
  for (
    const { resource, object, client, namespace: place } of await locate(
      await readManifests(options.filename),
      connection,
      namespace,
    )
  ) {
    const name = object.metadata.name!;
    const before = await client.get(name, { namespace: place }).catch(ignoreMissing);
    const placed = { ...object, metadata: { ...object.metadata, ...(place !== undefined && { namespace: place }) } };
    const { object: after, created } = await client.apply(placed, {
      fieldManager: FIELD_MANAGER,
      force: options.force ?? false,
    });
    const unchanged = before !== undefined && before.metadata.resourceVersion === after.metadata.resourceVersion;
    console.log(`${displayName(resource, name)} ${created ? "created" : unchanged ? "unchanged" : "configured"}`);
  }
}

async function remove(
  words: string[],
  options: DeleteOptions,
  connection: Connection,
  namespace: string,
): Promise<void> {
  const located = await namedOrFiled(words, options, connection, namespace);
  const signal = interruption();
  const gone: Promise<unknown>[] = [];
  for (const { resource, object, client, namespace: place } of located) {
    const name = object.metadata.name!;
    const living = await client.get(name, { namespace: place }).catch((error) => {
      if (options.ignoreNotFound && isNotFound(error)) return undefined;
      throw error;
    });
    if (living === undefined) continue;
    await client.delete(name, {
      namespace: place,
      propagationPolicy: policy(options.cascade),
      ...(options.gracePeriod !== undefined && { gracePeriodSeconds: seconds(options.gracePeriod) }),
    }).catch(ignoreMissing);
    console.log(`${displayName(resource, name)} deleted`);
    if (options.wait) {
      gone.push(
        waitFor(client, name, (found) => found?.metadata.uid !== living.metadata.uid, { namespace: place, signal }),
      );
    }
  }
  await Promise.all(gone);
}

async function namedOrFiled(
  words: string[],
  options: DeleteOptions,
  connection: Connection,
  namespace: string,
): Promise<Located[]> {
  if (options.filename !== undefined) return await locate(await readManifests(options.filename), connection, namespace);
  const targets = parseTargets(words, await connection.clients.discover());
  return targets.flatMap(({ resource, names }) => {
    if (names.length === 0) throw new Problem(`Which ${resource.resource} to delete must be named.`);
    const client = connection.clients.of<KubernetesObject>(reference(resource));
    return names.map((name) => ({
      resource,
      object: { metadata: { name } },
      client,
      namespace: resource.namespaced ? namespace : undefined,
    }));
  });
}

function apiVersionOf({ group, version }: DiscoveredResource): string {
  return group === "" ? version : `${group}/${version}`;
}

function policy(word: string): "Background" | "Foreground" | "Orphan" {
  const found = (["Background", "Foreground", "Orphan"] as const).find((name) =>
    name.toLowerCase() === word.toLowerCase()
  );
  if (found === undefined) throw new Problem(`--cascade must be background, foreground or orphan: it is "${word}".`);
  return found;
}

function seconds(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) {
    throw new Problem(`--grace-period must be a whole number of seconds: it is "${text}".`);
  }
  return value;
}

function ignoreMissing(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
  return undefined;
}
