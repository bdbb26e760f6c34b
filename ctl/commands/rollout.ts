/** `k3ts rollout`: how a workload comes from one revision to the next, and back. */
import type { Command } from "commander";
import { type KubernetesObject, waitFor } from "@k3ts/client";
import {
  type ControllerRevision,
  type DaemonSet,
  type Deployment,
  formatTime,
  type ReplicaSet,
  resources,
  type StatefulSet,
} from "@k3ts/model/objects";
import { withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { dryRunOption, dryRunSuffix, parseDryRun } from "../dry_run.ts";
import { displayName } from "../names.ts";
import { parseTimeout, parseWholeNumber } from "../numbers.ts";
import { parseObjectFormat, showObjects } from "../output/format.ts";
import { align } from "../output/table.ts";
import { renderTree } from "../output/tree.ts";
import { writeText } from "../output/write.ts";
import { Problem } from "../problem.ts";
import { controllerRevisions, deploymentRevisions, type Revision, revisionToRestore } from "../rollout/history.ts";
import {
  daemonSetProgress,
  deploymentProgress,
  type Progress,
  RolloutError,
  statefulSetProgress,
} from "../rollout/status.ts";
import type { Located } from "./manifest_objects.ts";
import { type SelectionOptions, selectionOptions, selectObjects } from "./selected_objects.ts";

interface RolloutOptions extends SelectionOptions {
  watch?: boolean;
  timeout?: string;
  revision?: string;
  toRevision?: string;
  dryRun?: string;
  output?: string;
}

type Workload = Deployment & DaemonSet & StatefulSet;
type Action = (found: Located, options: RolloutOptions, connection: Connection) => Promise<void>;

export function registerRollout(program: Command): void {
  const rollout = program.command("rollout").description("the rollout of a Deployment, DaemonSet or StatefulSet");
  const command = (verb: string, description: string, action: Action) =>
    selectionOptions(rollout.command(`${verb} [resource...]`)).description(description)
      .action((words: string[], options: RolloutOptions) =>
        withCluster(options, async (connection, namespace) => {
          const found = await selectObjects(words, options, connection, namespace, verb);
          if (found.length === 0) throw new Problem(`There is no rollout to ${verb}: no object was selected.`);
          for (const { resource } of found) refuseOther(resource.kind);
          for (const one of found) await action(one, options, connection);
        })
      );
  command("status", "wait until it is done: k3ts rollout status deploy/web", status)
    .option("--no-watch", "say how far it is, and do not wait")
    .option("--timeout <duration>", "how long to wait; 0: for as long as it takes", "0")
    .option("--revision <number>", "only of this revision: fails when another one is begun");
  command("history", "the revisions that there are", history)
    .option("--revision <number>", "what pods of this one are made of")
    .option("-o, --output <format>", "with --revision: json, yaml, …");
  command("undo", "back to the last revision, or to another one", undo)
    .option("--to-revision <number>", "which one; 0: the last but one", "0")
    .addOption(dryRunOption());
  command("pause", "stop rolling it out, so that several changes become one", pause);
  command("resume", "go on rolling it out", resume);
  command("restart", "replace all of its pods", restart);
}

const KINDS = ["Deployment", "DaemonSet", "StatefulSet"];

function refuseOther(kind: string): void {
  if (!KINDS.includes(kind)) throw new Problem(`Only a ${KINDS.join(", ")} has a rollout: it is a ${kind}.`);
}

const workload = async ({ client, object, namespace }: Located): Promise<Workload> =>
  await client.get(object.metadata.name!, { namespace }) as KubernetesObject & Workload;

async function status(found: Located, options: RolloutOptions): Promise<void> {
  const { client, object, namespace, resource } = found;
  const name = object.metadata.name!;
  const seconds = parseTimeout("--timeout", options.timeout ?? "0");
  const signal = seconds === 0 ? undefined : AbortSignal.timeout(seconds * 1000);
  const revision = options.revision === undefined ? 0 : parseWholeNumber("--revision", options.revision);
  let said: string | undefined;
  const look = (seen: KubernetesObject | undefined) => {
    if (seen === undefined) throw new Problem(`${displayName(resource, name)} was deleted.`);
    const { message, isDone } = progressOf(resource.kind, seen as KubernetesObject & Workload);
    refuseOtherRevision(seen, revision);
    if (message !== said) console.log(message);
    said = message;
    return isDone || options.watch === false;
  };
  try {
    await client.get(name, { namespace }); // not there at all is another message
    await waitFor(client, name, look, { namespace, signal });
  } catch (error) {
    if (signal?.aborted) {
      throw new Problem(
        `The rollout of ${displayName(resource, name)} is not done after ${options.timeout}.`,
        `See why with: k3ts describe ${displayName(resource, name)}`,
      );
    }
    if (!(error instanceof RolloutError)) throw error;
    throw new Problem(
      `The rollout of ${displayName(resource, name)} has failed: ${error.message}.`,
      `See why with: k3ts describe ${displayName(resource, name)}; go back with: k3ts rollout undo ${
        displayName(resource, name)
      }`,
    );
  }
}

function progressOf(kind: string, seen: Workload): Progress {
  if (kind === "Deployment") return deploymentProgress(seen);
  return kind === "DaemonSet" ? daemonSetProgress(seen) : statefulSetProgress(seen);
}

function refuseOtherRevision({ metadata }: KubernetesObject, wanted: number): void {
  const current = metadata.annotations?.["deployment.kubernetes.io/revision"];
  if (wanted > 0 && current !== undefined && Number(current) !== wanted) {
    throw new Problem(`The desired revision (${wanted}) is different from the running revision (${current}).`);
  }
}

async function revisionsOf(found: Located, seen: Workload, { clients }: Connection): Promise<Revision[]> {
  const { namespace } = found;
  if (found.resource.kind === "Deployment") {
    const { items } = await clients.of<ReplicaSet>(resources.replicasets).list({ namespace });
    return deploymentRevisions(seen, items);
  }
  const { items } = await clients.of<ControllerRevision>(resources.controllerrevisions).list({ namespace });
  return controllerRevisions(seen, items);
}

async function history(found: Located, options: RolloutOptions, connection: Connection): Promise<void> {
  const { resource, object } = found;
  const name = displayName(resource, object.metadata.name!);
  const revisions = await revisionsOf(found, await workload(found), connection);
  if (options.revision === undefined || options.revision === "0") {
    const rows = revisions.map(({ number, changeCause }) => [String(number), changeCause ?? "<none>"]);
    const table = rows.length === 0 ? "No rollout history found." : align([["REVISION", "CHANGE-CAUSE"], ...rows]);
    return console.log(`${name}\n${table}\n`);
  }
  const wanted = parseWholeNumber("--revision", options.revision);
  const revision = revisions.find(({ number }) => number === wanted);
  if (revision === undefined) {
    const numbers = revisions.map(({ number }) => number).join(", ") || "none";
    throw new Problem(`Revision ${wanted} is not in the history of ${name}: there are ${numbers}.`);
  }
  const format = parseObjectFormat(options.output);
  if (format === undefined) {
    return console.log(`${name} with revision #${wanted}\n${renderTree({ ...revision.template }, "  ")}`);
  }
  const template = { metadata: { name: object.metadata.name }, ...revision.template };
  writeText(showObjects([{ resource, object: template }], format, { single: true }));
}

async function undo(found: Located, options: RolloutOptions, connection: Connection): Promise<void> {
  const { client, object, namespace, resource } = found;
  const name = displayName(resource, object.metadata.name!);
  const dryRun = parseDryRun(options.dryRun);
  const seen = await workload(found);
  refusePaused(found, seen, "undone");
  const to = parseWholeNumber("--to-revision", options.toRevision ?? "0");
  const { number, template } = revisionToRestore(name, await revisionsOf(found, seen, connection), to);
  if (JSON.stringify(sorted(seen.spec?.template)) === JSON.stringify(sorted(template))) {
    return console.log(`${name} skipped rollback (current template already matches revision ${number})`);
  }
  if (dryRun !== "client") {
    const patch = [{ op: "replace", path: "/spec/template", value: template }];
    await client.patch(object.metadata.name!, { namespace, type: "json", patch, dryRun: dryRun === "server" });
  }
  console.log(`${name} rolled back${dryRunSuffix(dryRun)}`);
}

/** With the keys of all objects in one order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).toSorted(([a], [b]) => a < b ? -1 : 1).map(([k, v]) => [k, sorted(v)]),
  );
}

async function pause(found: Located): Promise<void> {
  await setPaused(found, true, "paused");
}

async function resume(found: Located): Promise<void> {
  await setPaused(found, false, "resumed");
}

async function setPaused(found: Located, paused: boolean, done: string): Promise<void> {
  const { client, object, namespace, resource } = found;
  const name = displayName(resource, object.metadata.name!);
  if (resource.kind !== "Deployment") throw new Problem(`Only a Deployment can be ${done}: ${name} is none.`);
  if (((await workload(found)).spec?.paused ?? false) === paused) throw new Problem(`${name} is already ${done}.`);
  await client.patch(object.metadata.name!, { namespace, type: "merge", patch: { spec: { paused } } });
  console.log(`${name} ${done}`);
}

/** Any change of the template does it: that is what this one is for, and kubectl's name for it. */
const RESTARTED = "kubectl.kubernetes.io/restartedAt";

async function restart(found: Located): Promise<void> {
  const { client, object, namespace, resource } = found;
  refusePaused(found, await workload(found), "restarted");
  const patch = { spec: { template: { metadata: { annotations: { [RESTARTED]: formatTime(Date.now()) } } } } };
  await client.patch(object.metadata.name!, { namespace, type: "merge", patch });
  console.log(`${displayName(resource, object.metadata.name!)} restarted`);
}

function refusePaused({ resource, object }: Located, { spec }: Workload, done: string): void {
  if (!spec?.paused) return;
  const name = displayName(resource, object.metadata.name!);
  throw new Problem(`${name} cannot be ${done} while it is paused.`, `Resume it first: k3ts rollout resume ${name}`);
}
