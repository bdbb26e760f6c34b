/** `k3ts delete`: objects by name, label or manifest, and waiting until they are gone. */
import type { Command } from "commander";
import { isNotFound, type KubernetesObject, waitFor } from "@k3ts/client";
import { type ClusterOptions, namespaceOptions, withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { readManifests } from "../manifests.ts";
import { displayName, parseTargets, reference } from "../names.ts";
import { parseWholeNumber } from "../numbers.ts";
import { Problem } from "../problem.ts";
import { ignoreMissing, locate, type Located } from "./manifest_objects.ts";

interface DeleteOptions extends ClusterOptions {
  filename?: string[];
  selector?: string;
  gracePeriod?: string;
  cascade: string;
  wait: boolean;
  ignoreNotFound?: boolean;
}

export function registerDelete(program: Command): void {
  namespaceOptions(program.command("delete [resource...]"))
    .description("delete objects: k3ts delete pod/web, k3ts delete -f web.yaml")
    .option("-f, --filename <path...>", "files, folders, or - for standard input")
    .option("-l, --selector <labels>", "all of the resource with these labels")
    .option("--grace-period <seconds>", "time that they have to end; 0: none")
    .option("--cascade <policy>", "what becomes of dependents: background, foreground, orphan", "background")
    .option("--ignore-not-found", "what is not there is no error")
    .option("--no-wait", "return before they are gone")
    .action((words: string[], options: DeleteOptions) =>
      withCluster(options, (connection, namespace) => remove(words, options, connection, namespace))
    );
}

async function remove(
  words: string[],
  options: DeleteOptions,
  connection: Connection,
  home: string,
): Promise<void> {
  const deletion = {
    propagationPolicy: parsePolicy(options.cascade),
    ...(options.gracePeriod !== undefined && {
      gracePeriodSeconds: parseWholeNumber("--grace-period", options.gracePeriod),
    }),
  };
  const gone: Promise<unknown>[] = [];
  for (const { resource, object, client, namespace } of await find(words, options, connection, home)) {
    const name = object.metadata.name!;
    const living = await client.get(name, { namespace }).catch((error) => {
      if (options.ignoreNotFound && isNotFound(error)) return undefined;
      throw error;
    });
    if (living === undefined) continue;
    await client.delete(name, { namespace, ...deletion }).catch(ignoreMissing);
    console.log(`${displayName(resource, name)} deleted`);
    if (options.wait) {
      gone.push(waitFor(client, name, (found) => found?.metadata.uid !== living.metadata.uid, { namespace }));
    }
  }
  await Promise.all(gone);
}

/** What is meant, by whichever way it was named. */
async function find(
  words: string[],
  options: DeleteOptions,
  connection: Connection,
  namespace: string,
): Promise<Located[]> {
  if (options.filename !== undefined) {
    if (words.length > 0) throw new Problem("Name either files or objects to delete, not both.");
    return await locate(await readManifests(options.filename), connection, namespace);
  }
  const found: Located[] = [];
  for (const { resource, names } of parseTargets(words, await connection.clients.discover())) {
    const client = connection.clients.of<KubernetesObject>(reference(resource));
    const place = resource.namespaced ? namespace : undefined;
    if (names.length === 0 && options.selector === undefined) {
      throw new Problem(`Which ${resource.resource} to delete must be named.`, `See them with: k3ts get ${words[0]}`);
    }
    const objects = names.length > 0
      ? names.map((name) => ({ metadata: { name } }))
      : (await client.list({ namespace: place, labelSelector: options.selector })).items;
    for (const object of objects) found.push({ resource, object, client, namespace: place });
  }
  return found;
}

function parsePolicy(word: string): "Background" | "Foreground" | "Orphan" {
  const found = (["Background", "Foreground", "Orphan"] as const).find((name) =>
    name.toLowerCase() === word.toLowerCase()
  );
  if (found === undefined) throw new Problem(`--cascade must be background, foreground or orphan: it is "${word}".`);
  return found;
}
