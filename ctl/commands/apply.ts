/** `k3ts apply`: manifests, by server-side apply. */
import type { Command } from "commander";
import { ApiError, isConflict } from "@k3ts/client";
import { type ClusterOptions, namespaceOptions, withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { readManifests } from "../manifests.ts";
import { displayName } from "../names.ts";
import { explain, Problem } from "../problem.ts";
import { ignoreMissing, locate, type Located } from "./manifest_objects.ts";

/** Who the server says manages what was applied. */
export const FIELD_MANAGER = "k3ts";

interface ApplyOptions extends ClusterOptions {
  filename: string[];
  force?: boolean;
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

/** Goes on with the next object when one fails, as they may have nothing to do with each other. */
async function apply(options: ApplyOptions, connection: Connection, namespace: string): Promise<void> {
  for (const located of await locate(await readManifests(options.filename), connection, namespace)) {
    const name = displayName(located.resource, located.object.metadata.name!);
    try {
      console.log(`${name} ${await applyOne(located, options.force ?? false)}`);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code >= 500) throw error;
      console.error(explain(isConflict(error) ? conflict(name, error) : error));
      Deno.exitCode = 1;
    }
  }
}

/** @returns what became of it */
async function applyOne({ object, client, namespace }: Located, force: boolean): Promise<string> {
  const before = await client.get(object.metadata.name!, { namespace }).catch(ignoreMissing);
  const placed = { ...object, metadata: { ...object.metadata, ...(namespace !== undefined && { namespace }) } };
  const { object: after, created } = await client.apply(placed, { fieldManager: FIELD_MANAGER, force });
  if (created) return "created";
  return before?.metadata.resourceVersion === after.metadata.resourceVersion ? "unchanged" : "configured";
}

function conflict(name: string, error: ApiError): Problem {
  const fields = (error.details.causes ?? []).map(({ field, message }) => `  ${field}: ${message}`);
  return new Problem(
    [`Others manage fields of ${name} that the file changes:`, ...fields].join("\n"),
    "Leave them out of the file, or take them over with --force.",
    { cause: error },
  );
}
