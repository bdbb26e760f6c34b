/** `k3ts patch`: changes fields of objects. */
import type { Command } from "commander";
import { parse } from "yaml";
import { withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { parseDryRun } from "../dry_run.ts";
import { nearest } from "../nearest.ts";
import { parseObjectFormat } from "../output/format.ts";
import { Problem } from "../problem.ts";
import { refuseWithout } from "./manifest_objects.ts";
import { type SelectionOptions, selectionOptions, selectObjects } from "./selected_objects.ts";
import { tell, type WriteOptions, writeOptions } from "./written.ts";

interface PatchOptions extends SelectionOptions, WriteOptions {
  patch?: string;
  patchFile?: string;
  type: string;
  subresource?: string;
}

const TYPES = ["strategic", "merge", "json"] as const;

export function registerPatch(program: Command): void {
  writeOptions(selectionOptions(program.command("patch [resource...]")))
    .description(`change fields: k3ts patch deploy/web -p '{"spec":{"paused":true}}'`)
    .option("-p, --patch <patch>", "in JSON or YAML")
    .option("--patch-file <path>", "a file with it")
    .option("--type <type>", TYPES.join(", "), "strategic")
    .option("--subresource <name>", "of a subresource: status, scale")
    .action((words: string[], options: PatchOptions) =>
      withCluster(options, (connection, namespace) => patch(words, options, connection, namespace))
    );
}

async function patch(words: string[], options: PatchOptions, connection: Connection, home: string): Promise<void> {
  const type = TYPES.find((one) => one === options.type);
  if (type === undefined) {
    const meant = nearest(options.type, TYPES);
    throw new Problem(
      `--type must be one of ${TYPES.join(", ")}: it is "${options.type}"${meant ? `; did you mean ${meant}?` : "."}`,
    );
  }
  const dryRun = parseDryRun(options.dryRun);
  const format = parseObjectFormat(options.output);
  const value = await readPatch(options, type);
  const { subresource } = options;
  for (
    const { resource, object, client, namespace } of await selectObjects(words, options, connection, home, "patch")
  ) {
    if (subresource !== undefined) refuseWithout(subresource, resource, "patch");
    const name = object.metadata.name!;
    const before = await client.get(name, { namespace });
    const after = dryRun === "client"
      ? before
      : await client.patch(name, { namespace, type, patch: value, subresource, dryRun: dryRun === "server" });
    const isSame = before.metadata.resourceVersion === after.metadata.resourceVersion && dryRun !== "client";
    tell(resource, after, isSame ? "patched (no change)" : "patched", dryRun, format);
  }
}

async function readPatch({ patch, patchFile }: PatchOptions, type: string): Promise<unknown> {
  if ((patch === undefined) === (patchFile === undefined)) {
    throw new Problem("Either --patch or --patch-file must be given.");
  }
  const text = patch ?? await Deno.readTextFile(patchFile!).catch((error) => {
    throw new Problem(`Cannot read ${patchFile}: ${error.message}`);
  });
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new Problem(`The patch must be JSON or YAML: ${(error as Error).message.split("\n")[0]}`);
  }
  const isList = Array.isArray(value);
  if (type === "json" ? !isList : typeof value !== "object" || value === null || isList) {
    throw new Problem(`A patch of the type ${type} must be ${type === "json" ? "a list of operations" : "an object"}.`);
  }
  return value;
}
