/** Which objects a command is about: by name, by label, all of them, or those of files. */
import type { Command } from "commander";
import type { KubernetesObject } from "@k3ts/client";
import { type ClusterOptions, namespaceOptions } from "../command.ts";
import type { Connection } from "../connection.ts";
import { readManifests } from "../manifests.ts";
import { parseTargets, reference } from "../names.ts";
import { Problem } from "../problem.ts";
import { locate, type Located } from "./manifest_objects.ts";

export interface SelectionOptions extends ClusterOptions {
  filename?: string[];
  selector?: string;
  fieldSelector?: string;
  all?: boolean;
  allNamespaces?: boolean;
}

export function selectionOptions(command: Command): Command {
  return namespaceOptions(command)
    .option("-f, --filename <path...>", "those of files, folders, or - for standard input")
    .option("-l, --selector <labels>", "all of the resource with these labels")
    .option("--all", "all of the resource");
}

/** For commands that are about objects of several namespaces too. */
export function wideSelectionOptions(command: Command): Command {
  return selectionOptions(command)
    .option("--field-selector <fields>", "all of the resource with these fields")
    .option("-A, --all-namespaces", "of all namespaces");
}

/**
 * Objects that were named are not read: they may not exist. Of the others there is the whole object.
 * @param verb for the message when nothing was named: `delete`
 */
export async function selectObjects(
  words: readonly string[],
  options: SelectionOptions,
  connection: Connection,
  namespace: string,
  verb: string,
): Promise<Located[]> {
  if (options.filename !== undefined) {
    if (words.length > 0) throw new Problem(`Name either files or objects to ${verb}, not both.`);
    return await locate(await readManifests(options.filename), connection, namespace);
  }
  const { selector, fieldSelector, all, allNamespaces } = options;
  const found: Located[] = [];
  for (const { resource, names } of parseTargets(words, await connection.clients.discover())) {
    const client = connection.clients.of<KubernetesObject>(reference(resource));
    const place = resource.namespaced && !allNamespaces ? namespace : undefined;
    if (names.length > 0) {
      if (selector !== undefined || fieldSelector !== undefined || all) {
        throw new Problem(`Objects to ${verb} are either named or selected, not both.`);
      }
      if (allNamespaces) throw new Problem("An object that is named is in one namespace: leave -A out, or the name.");
      for (const name of names) found.push({ resource, object: { metadata: { name } }, client, namespace: place });
      continue;
    }
    if (selector === undefined && fieldSelector === undefined && !all) {
      throw new Problem(`Which ${resource.resource} to ${verb} must be named.`, `See them with: k3ts get ${words[0]}`);
    }
    const { items } = await client.list({ namespace: place, labelSelector: selector, fieldSelector });
    for (const object of items) {
      found.push({ resource, object, client, namespace: object.metadata.namespace ?? place });
    }
  }
  return found;
}
