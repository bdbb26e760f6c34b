/** `k3ts diff`: what `k3ts apply` would change, asked of the server. Exits with 1 where there is a difference. */
import type { Command } from "commander";
import { isConflict } from "@k3ts/client";
import { type ClusterOptions, namespaceOptions, withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { readablePair } from "../diff/readable.ts";
import { unifiedDiff } from "../diff/unified.ts";
import { readManifests } from "../manifests.ts";
import { displayName } from "../names.ts";
import { writeText } from "../output/write.ts";
import { FIELD_MANAGER } from "./apply.ts";
import { ignoreMissing, locate, type Located } from "./manifest_objects.ts";

interface DiffOptions extends ClusterOptions {
  filename: string[];
  showManagedFields?: boolean;
}

/** As `diff` has it: 1 says that there are differences. */
const FAILED = 2;

export function registerDiff(program: Command): void {
  namespaceOptions(program.command("diff"))
    .description("what apply would change: k3ts diff -f web.yaml; exits with 1 when there is something")
    .requiredOption("-f, --filename <path...>", "files, folders, or - for standard input")
    .option("--show-managed-fields", "also who manages which field")
    .action((options: DiffOptions) =>
      withCluster(options, (connection, namespace) => diff(options, connection, namespace), FAILED)
    );
}

async function diff(options: DiffOptions, connection: Connection, namespace: string): Promise<void> {
  for (const located of await locate(await readManifests(options.filename), connection, namespace)) {
    const text = await diffOne(located, options);
    if (text === "") continue;
    Deno.exitCode = 1;
    writeText(text);
  }
}

async function diffOne(located: Located, options: DiffOptions): Promise<string> {
  const { resource, object, client, namespace } = located;
  const name = object.metadata.name!;
  const live = await client.get(name, { namespace }).catch(ignoreMissing);
  const placed = { ...object, metadata: { ...object.metadata, ...(namespace !== undefined && { namespace }) } };
  const apply = (force: boolean) => client.apply(placed, { fieldManager: FIELD_MANAGER, force, dryRun: true });
  const { object: merged } = await apply(false).catch((error) => {
    if (!isConflict(error)) throw error;
    console.error(`Others manage fields of ${displayName(resource, name)} that differ: apply will need --force.`);
    return apply(true);
  });
  const [before, after] = readablePair(live, merged, { showManagedFields: options.showManagedFields ?? false });
  const path = [resource.group, resource.version, resource.kind, namespace, name].filter(Boolean).join(".");
  return unifiedDiff(before, after, { before: `live/${path}`, after: `merged/${path}` });
}
