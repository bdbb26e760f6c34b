/** `k3ts wait`: until objects are as they should be. */
import type { Command } from "commander";
import { isNotFound, type KubernetesObject, waitFor } from "@k3ts/client";
import { withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { displayName } from "../names.ts";
import { parseTimeout } from "../numbers.ts";
import { explain, Problem } from "../problem.ts";
import { type Condition, isMet, parseCondition } from "../wait/condition.ts";
import type { Located } from "./manifest_objects.ts";
import { type SelectionOptions, selectObjects, wideSelectionOptions } from "./selected_objects.ts";

interface WaitCommandOptions extends SelectionOptions {
  for: string;
  timeout: string;
}

/** For a negative time-out, as with kubectl. */
const LONG_SECONDS = 7 * 24 * 3600;

export function registerWait(program: Command): void {
  wideSelectionOptions(program.command("wait [resource...]"))
    .description("until something holds: k3ts wait pod/web --for condition=Ready")
    .requiredOption("--for <what>", "delete, create, condition=NAME[=STATUS], jsonpath={PATH}[=VALUE]")
    .option("--timeout <duration>", "how long to wait; 0: look once", "30s")
    .action((words: string[], options: WaitCommandOptions) =>
      withCluster(options, (connection, namespace) => wait(words, options, connection, namespace))
    );
}

async function wait(
  words: string[],
  options: WaitCommandOptions,
  connection: Connection,
  namespace: string,
): Promise<void> {
  const condition = parseCondition(options.for);
  const seconds = options.timeout.startsWith("-") ? LONG_SECONDS : parseTimeout("--timeout", options.timeout);
  const found = await selectObjects(words, options, connection, namespace, "wait for");
  if (found.length === 0) {
    // Nothing is left of what was selected: that is what was waited for.
    if (condition.type === "delete") return;
    throw new Problem("There is nothing to wait for: no object was selected.");
  }
  const signal = AbortSignal.timeout(seconds * 1000);
  const results = await Promise.allSettled(
    found.map((one) => seconds === 0 ? look(one, condition) : waitForOne(one, condition, options.timeout, signal)),
  );
  const failures = results.filter((result) => result.status === "rejected");
  for (const { reason } of failures.slice(0, -1)) console.error(explain(reason));
  const last = failures.at(-1);
  if (last !== undefined) throw last.reason;
}

async function look(found: Located, condition: Condition): Promise<void> {
  const { client, object, namespace } = found;
  const mayBeMissing = condition.type === "delete" || condition.type === "create";
  const seen = await client.get(object.metadata.name!, { namespace }).catch((error) => {
    if (!isNotFound(error) || !mayBeMissing) throw error;
    return undefined;
  });
  if (!isMet(condition, seen)) throw new Problem(`${nameOf(found)} is not as it should be.`);
  tell(found);
}

async function waitForOne(found: Located, condition: Condition, timeout: string, signal: AbortSignal): Promise<void> {
  const { client, object, namespace } = found;
  const name = object.metadata.name!;
  // What is deleted may be made anew under its name: that is another object.
  let first = object.metadata.uid;
  if (condition.type !== "create" && condition.type !== "delete") await client.get(name, { namespace });
  let isThere = condition.type !== "create";
  const holds = (seen: KubernetesObject | undefined) => {
    if (condition.type === "delete") {
      first ??= seen?.metadata.uid;
      return seen === undefined || seen.metadata.uid !== first;
    }
    if (seen === undefined && isThere) throw new Problem(`${nameOf(found)} was deleted.`);
    isThere ||= seen !== undefined;
    return isMet(condition, seen);
  };
  try {
    await waitFor(client, name, holds, { namespace, signal });
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new Problem(
      `${nameOf(found)} was not as it should be within ${timeout}.`,
      `See why with: k3ts describe ${nameOf(found)}`,
    );
  }
  tell(found);
}

function nameOf({ resource, object }: Located): string {
  return displayName(resource, object.metadata.name!);
}

function tell(found: Located): void {
  console.log(`${nameOf(found)} condition met`);
}
