/** `k3ts delete`: objects by name, label or manifest, and waiting until they are gone. */
import type { Command } from "commander";
import { isNotFound, waitFor } from "@k3ts/client";
import { withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { dryRunOption, dryRunSuffix, parseDryRun } from "../dry_run.ts";
import { displayName } from "../names.ts";
import { parseTimeout, parseWholeNumber } from "../numbers.ts";
import { Problem } from "../problem.ts";
import { ignoreMissing } from "./manifest_objects.ts";
import { type SelectionOptions, selectObjects, wideSelectionOptions } from "./selected_objects.ts";

interface DeleteOptions extends SelectionOptions {
  gracePeriod?: string;
  now?: boolean;
  force?: boolean;
  timeout: string;
  dryRun?: string;
  output?: string;
  cascade: string;
  wait: boolean;
  ignoreNotFound?: boolean;
}

export function registerDelete(program: Command): void {
  wideSelectionOptions(program.command("delete [resource...]"))
    .description("delete objects: k3ts delete pod/web, k3ts delete -f web.yaml")
    .option("--grace-period <seconds>", "time that they have to end; 0: none")
    .option("--cascade <policy>", "what becomes of dependents: background, foreground, orphan", "background")
    .option("--ignore-not-found", "what is not there is no error")
    .option("--now", "the same as --grace-period 1")
    .option("--force", "the same as --grace-period 0: nobody waits for the programs to end")
    .option("--timeout <duration>", "how long to wait; 0: for as long as it takes", "0")
    .addOption(dryRunOption())
    .option("-o, --output <format>", "name")
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
  if (options.output !== undefined && options.output !== "name") {
    throw new Problem(`The output of delete must be name: it is "${options.output}".`);
  }
  const dryRun = parseDryRun(options.dryRun);
  const gracePeriodSeconds = gracePeriodOf(options);
  const deletion = {
    propagationPolicy: parsePolicy(options.cascade),
    ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
    dryRun: dryRun !== undefined,
  };
  const seconds = parseTimeout("--timeout", options.timeout);
  const signal = seconds === 0 ? undefined : AbortSignal.timeout(seconds * 1000);
  const gone: Promise<unknown>[] = [];
  for (const one of await selectObjects(words, options, connection, home, "delete")) {
    const { resource, object, client, namespace } = one;
    const name = object.metadata.name!;
    const living = await client.get(name, { namespace }).catch((error) => {
      if (options.ignoreNotFound && isNotFound(error)) return undefined;
      throw error;
    });
    if (living === undefined) continue;
    if (dryRun !== "client") await client.delete(name, { namespace, ...deletion }).catch(ignoreMissing);
    const shown = displayName(resource, name);
    console.log(options.output === "name" ? shown : `${shown} deleted${dryRunSuffix(dryRun)}`);
    if (!options.wait || dryRun !== undefined) continue;
    const isGone = (found: typeof living | undefined) => found?.metadata.uid !== living.metadata.uid;
    gone.push(
      waitFor(client, name, isGone, { namespace, signal }).catch((error) => {
        if (!signal?.aborted) throw error;
        throw new Problem(
          `${shown} is not gone after ${options.timeout}.`,
          "Something may still have to finish: see its finalizers with `k3ts get -o yaml`.",
        );
      }),
    );
  }
  await Promise.all(gone);
}

function gracePeriodOf({ gracePeriod, now, force }: DeleteOptions): number | undefined {
  if (now && gracePeriod !== undefined) throw new Problem("Either --now or --grace-period can be given, not both.");
  if (now) return 1;
  // As with kubectl: negative is the object's own.
  if (gracePeriod === undefined || gracePeriod === "-1") return force ? 0 : undefined;
  return parseWholeNumber("--grace-period", gracePeriod);
}

function parsePolicy(word: string): "Background" | "Foreground" | "Orphan" {
  const found = (["Background", "Foreground", "Orphan"] as const).find((name) =>
    name.toLowerCase() === word.toLowerCase()
  );
  if (found === undefined) throw new Problem(`--cascade must be background, foreground or orphan: it is "${word}".`);
  return found;
}
