/** `k3ts apply`: manifests, by server-side apply. */
import { type Command, Option } from "commander";
import { ApiError, isConflict, type KubernetesObject } from "@k3ts/client";
import { type ClusterOptions, namespaceOptions, withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { type DryRun, parseDryRun } from "../dry_run.ts";
import { readManifests } from "../manifests.ts";
import { displayName } from "../names.ts";
import { parseObjectFormat } from "../output/format.ts";
import { withoutManagers } from "../output/objects.ts";
import { explain, Problem } from "../problem.ts";
import { ignoreMissing, locate, type Located } from "./manifest_objects.ts";
import { tell, type WriteOptions, writeOptions } from "./written.ts";

/** Who the server says manages what was applied. */
export const FIELD_MANAGER = "k3ts";

interface ApplyOptions extends ClusterOptions, WriteOptions {
  filename: string[];
  force?: boolean;
  forceConflicts?: boolean;
  fieldManager: string;
}

export function registerApply(program: Command): void {
  writeOptions(namespaceOptions(program.command("apply")))
    .description("make the cluster as files say: k3ts apply -f web.yaml")
    .requiredOption("-f, --filename <path...>", "files, folders, or - for standard input")
    .option("--force", "take over fields that others manage")
    .option("--field-manager <name>", "who is to manage what the files name", FIELD_MANAGER)
    // As kubectl has them.
    .addOption(new Option("--force-conflicts").hideHelp())
    .addOption(new Option("--server-side").hideHelp())
    .action((options: ApplyOptions) =>
      withCluster(options, (connection, namespace) => apply(options, connection, namespace))
    );
}

/** Goes on with the next object when one fails, as they may have nothing to do with each other. */
async function apply(options: ApplyOptions, connection: Connection, namespace: string): Promise<void> {
  const dryRun = parseDryRun(options.dryRun);
  const format = parseObjectFormat(options.output);
  for (const located of await locate(await readManifests(options.filename), connection, namespace)) {
    const name = displayName(located.resource, located.object.metadata.name!);
    try {
      const { object, done } = await applyOne(located, options, dryRun);
      tell(located.resource, object, done, dryRun, format);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code >= 500) throw error;
      console.error(explain(isConflict(error) ? conflict(name, error) : error));
      Deno.exitCode = 1;
    }
  }
}

/** @returns what became of it */
async function applyOne(
  { object, client, namespace }: Located,
  { force, forceConflicts, fieldManager }: ApplyOptions,
  dryRun: DryRun,
): Promise<{ object: KubernetesObject; done: string }> {
  const before = await client.get(object.metadata.name!, { namespace }).catch(ignoreMissing);
  const placed = { ...object, metadata: { ...object.metadata, ...(namespace !== undefined && { namespace }) } };
  // What the server would make of it only the server knows.
  if (dryRun === "client") return { object: placed, done: before === undefined ? "created" : "configured" };
  const { object: after, created } = await client.apply(placed, {
    fieldManager,
    force: force === true || forceConflicts === true,
    dryRun: dryRun === "server",
  });
  if (created) return { object: after, done: "created" };
  // A dry run gives no new version.
  const isSame = dryRun === undefined
    ? before?.metadata.resourceVersion === after.metadata.resourceVersion
    : JSON.stringify(before && withoutManagers(before)) === JSON.stringify(withoutManagers(after));
  return { object: after, done: isSame ? "unchanged" : "configured" };
}

function conflict(name: string, error: ApiError): Problem {
  const fields = (error.details.causes ?? []).map(({ field, message }) => `  ${field}: ${message}`);
  return new Problem(
    [`Others manage fields of ${name} that the file changes:`, ...fields].join("\n"),
    "Leave them out of the file, or take them over with --force.",
    { cause: error },
  );
}
