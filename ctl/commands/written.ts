/** What commands that change one object after another have in common: dry runs, and how the result is shown. */
import type { Command } from "commander";
import type { KubernetesObject, ResourceClient } from "@k3ts/client";
import type { DiscoveredResource } from "@k3ts/proto";
import { type DryRun, dryRunOption, dryRunSuffix } from "../dry_run.ts";
import { displayName } from "../names.ts";
import { type ObjectFormat, showObjects } from "../output/format.ts";
import { writeText } from "../output/write.ts";

export interface WriteOptions {
  dryRun?: string;
  output?: string;
}

export function writeOptions(command: Command): Command {
  return command.addOption(dryRunOption())
    .option("-o, --output <format>", "show what came of it: json, yaml, name, jsonpath=TEMPLATE, …");
}

/** `configmap/a labeled`, or the object as it was asked for. */
export function tell(
  resource: DiscoveredResource,
  object: KubernetesObject,
  done: string,
  dryRun: DryRun,
  format: ObjectFormat | undefined,
): void {
  if (format !== undefined) return writeText(showObjects([{ resource, object }], format, { single: true }));
  console.log(`${displayName(resource, object.metadata.name ?? "")} ${done}${dryRunSuffix(dryRun)}`);
}

/** Creates an object, or only shows what would be sent. */
export async function createOne(
  client: ResourceClient<KubernetesObject>,
  object: KubernetesObject,
  namespace: string | undefined,
  dryRun: DryRun,
): Promise<KubernetesObject> {
  const placed = { ...object, metadata: { ...object.metadata, ...(namespace !== undefined && { namespace }) } };
  if (dryRun === "client") return placed;
  return await client.create(placed, { namespace, dryRun: dryRun === "server", fieldValidation: "Strict" });
}
