/** `k3ts scale`: how many pods a workload has. */
import type { Command } from "commander";
import { isConflict, retryOnConflict } from "@k3ts/client";
import { withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { dryRunOption, dryRunSuffix, parseDryRun } from "../dry_run.ts";
import { displayName } from "../names.ts";
import { parseWholeNumber } from "../numbers.ts";
import { Problem } from "../problem.ts";
import { refuseWithout } from "./manifest_objects.ts";
import { type SelectionOptions, selectionOptions, selectObjects } from "./selected_objects.ts";

interface ScaleOptions extends SelectionOptions {
  replicas: string;
  currentReplicas?: string;
  resourceVersion?: string;
  dryRun?: string;
}

/** autoscaling/v1 Scale. */
interface Scale {
  metadata: { name: string; namespace?: string; resourceVersion?: string };
  spec?: { replicas?: number };
}

export function registerScale(program: Command): void {
  selectionOptions(program.command("scale [resource...]"))
    .description("set how many replicas there are: k3ts scale deploy/web --replicas 3")
    .requiredOption("--replicas <number>", "how many there are to be")
    .option("--current-replicas <number>", "only where there are as many now")
    .option("--resource-version <version>", "only where the object has this version")
    .addOption(dryRunOption())
    .action((words: string[], options: ScaleOptions) =>
      withCluster(options, (connection, namespace) => scale(words, options, connection, namespace))
    );
}

async function scale(words: string[], options: ScaleOptions, connection: Connection, home: string): Promise<void> {
  const replicas = parseWholeNumber("--replicas", options.replicas);
  // As with kubectl: -1 is the same as none.
  const current = options.currentReplicas === undefined || options.currentReplicas === "-1"
    ? undefined
    : parseWholeNumber("--current-replicas", options.currentReplicas);
  const dryRun = parseDryRun(options.dryRun);
  const found = await selectObjects(words, options, connection, home, "scale");
  if (found.length === 0) throw new Problem("There is nothing to scale: no object was selected.");
  for (const { resource } of found) refuseWithout("scale", resource, "scale");
  for (const { resource, object, client, namespace } of found) {
    const name = object.metadata.name!;
    const place = { namespace, subresource: "scale" };
    const set = async () => {
      const scale = await client.getSubresource<Scale>(name, place);
      refuseOther(displayName(resource, name), scale, current, options.resourceVersion);
      if (dryRun === "client") return;
      const wanted: Scale = { ...scale, spec: { ...scale.spec, replicas } };
      await client.update(wanted, { ...place, dryRun: dryRun === "server" });
    };
    // Whoever names a version wants to know that there is another.
    await (options.resourceVersion === undefined ? retryOnConflict(set) : set()).catch((error) => {
      if (!isConflict(error)) throw error;
      throw new Problem(`${displayName(resource, name)} was changed meanwhile.`, "Look at it and try again.");
    });
    console.log(`${displayName(resource, name)} scaled${dryRunSuffix(dryRun)}`);
  }
}

function refuseOther(
  name: string,
  { metadata, spec }: Scale,
  current: number | undefined,
  version: string | undefined,
) {
  const replicas = spec?.replicas ?? 0;
  if (current !== undefined && replicas !== current) {
    throw new Problem(`Cannot scale ${name} as it must have ${current} replicas now: it has ${replicas}.`);
  }
  if (version !== undefined && metadata.resourceVersion !== version) {
    throw new Problem(
      `Cannot scale ${name} as its resource version must be ${version}: it is ${metadata.resourceVersion}.`,
    );
  }
}
