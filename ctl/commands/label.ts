/** `k3ts label` and `k3ts annotate`: words that are noted at objects. */
import type { Command } from "commander";
import { isConflict } from "@k3ts/client";
import { withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { parseDryRun } from "../dry_run.ts";
import { displayName } from "../names.ts";
import { parseObjectFormat } from "../output/format.ts";
import { Problem } from "../problem.ts";
import { type SelectionOptions, selectObjects, wideSelectionOptions } from "./selected_objects.ts";
import { tell, type WriteOptions, writeOptions } from "./written.ts";

interface NoteOptions extends SelectionOptions, WriteOptions {
  overwrite?: boolean;
  list?: boolean;
  resourceVersion?: string;
}

type Field = "labels" | "annotations";

export function registerLabel(program: Command): void {
  const command = (verb: string, field: Field, done: string) =>
    writeOptions(wideSelectionOptions(program.command(`${verb} <resource...>`)))
      .description(`set and remove ${field}: k3ts ${verb} pod/web tier=front old-`)
      .option("--overwrite", `change ${field} that are there`)
      .option("--list", `show the ${field}`)
      .option("--resource-version <version>", "only where the object has this version")
      .action((words: string[], options: NoteOptions) =>
        withCluster(options, (connection, namespace) => note(field, done, words, options, connection, namespace))
      );
  command("label", "labels", "labeled");
  command("annotate", "annotations", "annotated");
}

/** Null takes away. */
export type Changes = Record<string, string | null>;

/** Words with `=` or a `-` at their end are changes, those before them objects. @throws {Problem} */
export function splitChanges(words: readonly string[]): { targets: string[]; changes: Changes } {
  const isChange = (word: string) => word.includes("=") || /.-$/.test(word);
  const first = words.findIndex((word) => isChange(word));
  const targets = first < 0 ? [...words] : words.slice(0, first);
  const changes: Changes = {};
  for (const word of first < 0 ? [] : words.slice(first)) {
    if (!isChange(word)) throw new Problem(`Objects stand before what is noted: "${word}" stands behind.`);
    const at = word.indexOf("=");
    const name = at < 0 ? word.slice(0, -1) : word.slice(0, at);
    if (name === "") throw new Problem(`A name must stand before the equals sign: "${word}" has none.`);
    if (Object.hasOwn(changes, name)) throw new Problem(`"${name}" is named twice.`);
    changes[name] = at < 0 ? null : word.slice(at + 1);
  }
  return { targets, changes };
}

/** @throws {Problem} for what is there with another value */
export function refuseOverwriting(object: string, before: Record<string, string>, changes: Changes): void {
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || before[name] === undefined || before[name] === value) continue;
    throw new Problem(`${object} already has ${name}=${before[name]}.`, "To change it say --overwrite.");
  }
}

async function note(
  field: Field,
  done: string,
  words: string[],
  options: NoteOptions,
  connection: Connection,
  home: string,
): Promise<void> {
  const { targets, changes } = splitChanges(words);
  const dryRun = parseDryRun(options.dryRun);
  const format = parseObjectFormat(options.output);
  if (Object.keys(changes).length === 0 && !options.list) {
    throw new Problem(`What to note must be named: NAME=VALUE, or NAME- to remove it.`, `See what there is: --list`);
  }
  const found = await selectObjects(targets, options, connection, home, done === "labeled" ? "label" : "annotate");
  for (const { resource, object, client, namespace } of found) {
    const name = object.metadata.name!;
    const before = await client.get(name, { namespace });
    const noted = before.metadata[field] ?? {};
    if (options.list) {
      console.log(Object.entries(noted).map(([key, value]) => `${key}=${value}`).join("\n"));
      continue;
    }
    if (!options.overwrite) refuseOverwriting(displayName(resource, name), noted, changes);
    const isSame = Object.entries(changes).every(([key, value]) => (noted[key] ?? null) === value);
    const version = options.resourceVersion;
    const patch = { metadata: { [field]: changes, ...(version !== undefined && { resourceVersion: version }) } };
    const after = isSame || dryRun === "client"
      ? before
      : await client.patch(name, { namespace, type: "merge", patch, dryRun: dryRun === "server" }).catch((error) => {
        if (!isConflict(error)) throw error;
        throw new Problem(`${displayName(resource, name)} has another resource version than ${version}.`);
      });
    tell(resource, after, isSame ? `not ${done}` : done, dryRun, format);
  }
}
