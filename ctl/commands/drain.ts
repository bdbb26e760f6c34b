/** `k3ts drain`: empties a node by evictions, which respect disruption budgets. */
import type { Command } from "commander";
import { ApiError, delay, Informer, isConflict, isForbidden, isNotFound } from "@k3ts/client";
import { type DaemonSet, type Node, type Pod, resources } from "@k3ts/model/objects";
import { withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { planDrain } from "../drain/plan.ts";
import { type DryRun, dryRunSuffix, parseDryRun } from "../dry_run.ts";
import { parseTimeout, parseWholeNumber } from "../numbers.ts";
import { explain, Problem } from "../problem.ts";
import { nodeOptions, type NodeSelection, selectNodes, setCordoned } from "./cordon.ts";

interface DrainCommandOptions extends NodeSelection {
  ignoreDaemonsets?: boolean;
  deleteEmptydirData?: boolean;
  force?: boolean;
  disableEviction?: boolean;
  gracePeriod: string;
  timeout: string;
  podSelector?: string;
  skipWaitForDeleteTimeout: string;
}

/** How long a budget that refuses is left alone. */
const RETRY_MS = 5_000;
/** Evictions at a time. */
const EVICTIONS_MAX = 16;

export function registerDrain(program: Command): void {
  nodeOptions(program.command("drain [node...]"))
    .description("have a node take no new pods and evict those that it has: k3ts drain n1")
    .option("--ignore-daemonsets", "leave pods of DaemonSets, which would come back at once")
    .option("--delete-emptydir-data", "also pods with emptyDir volumes, whose content is lost")
    .option("--force", "also pods that nobody makes anew")
    .option("--disable-eviction", "delete pods, without asking disruption budgets")
    .option("--grace-period <seconds>", "time that pods have to end; -1: their own", "-1")
    .option("--timeout <duration>", "how long it may take; 0: for ever", "0")
    .option("--pod-selector <labels>", "only pods with these labels")
    .option(
      "--skip-wait-for-delete-timeout <seconds>",
      "do not wait for pods that have been ending for longer; 0: do",
      "0",
    )
    .action((names: string[], options: DrainCommandOptions) =>
      withCluster(options, (connection) => drain(names, options, connection))
    );
}

async function drain(names: string[], options: DrainCommandOptions, connection: Connection): Promise<void> {
  const dryRun = parseDryRun(options.dryRun);
  const seconds = parseTimeout("--timeout", options.timeout);
  const signal = seconds === 0 ? new AbortController().signal : AbortSignal.timeout(seconds * 1000);
  const eviction = {
    gracePeriodSeconds: options.gracePeriod === "-1"
      ? undefined
      : parseWholeNumber("--grace-period", options.gracePeriod),
    byDeletion: options.disableEviction ?? false,
    dryRun,
  };
  const nodes = await selectNodes(names, options, connection);
  for (const node of nodes) await setCordoned(node, true, connection, dryRun);
  for (const node of nodes) {
    try {
      await empty(node, await podsToLeave(node, options, connection), eviction, connection, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
      throw new Problem(
        `node/${node.metadata.name} is not drained after ${options.timeout}.`,
        "It stays cordoned: try again, or k3ts uncordon it.",
      );
    }
    console.log(`node/${node.metadata.name} drained${dryRunSuffix(dryRun)}`);
  }
}

/** @throws {Problem} for pods that need a person's word */
async function podsToLeave(
  { metadata: { name } }: Node,
  options: DrainCommandOptions,
  { clients }: Connection,
): Promise<Pod[]> {
  const skipWaitForDeleteSeconds = parseWholeNumber("--skip-wait-for-delete-timeout", options.skipWaitForDeleteTimeout);
  const { items } = await clients.of<Pod>(resources.pods).list({
    fieldSelector: `spec.nodeName=${name}`,
    labelSelector: options.podSelector,
  });
  const { leave, warnings, problems } = planDrain(items, await daemonSets(items, clients), {
    ignoreDaemonSets: options.ignoreDaemonsets ?? false,
    deleteEmptyDirData: options.deleteEmptydirData ?? false,
    force: options.force ?? false,
    skipWaitForDeleteSeconds,
  }, Date.now());
  if (problems.length > 0) {
    throw new Problem(
      [`Cannot drain node/${name}:`, ...problems.map((problem) => `  ${problem}`)].join("\n"),
      "It stays cordoned: try again with these options, or k3ts uncordon it.",
    );
  }
  for (const warning of warnings) console.error(`Warning: ${warning}`);
  return leave;
}

async function daemonSets(pods: readonly Pod[], clients: Connection["clients"]): Promise<Set<string>> {
  if (!pods.some(({ metadata }) => metadata.ownerReferences?.some(({ kind }) => kind === "DaemonSet"))) {
    return new Set();
  }
  const { items } = await clients.of<DaemonSet>(resources.daemonsets).list();
  return new Set(items.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
}

interface EvictionOptions {
  gracePeriodSeconds: number | undefined;
  byDeletion: boolean;
  dryRun: DryRun;
}

/** @returns when all pods are gone. @throws when one cannot be evicted, or the signal's reason */
async function empty(
  { metadata: { name } }: Node,
  pods: readonly Pod[],
  options: EvictionOptions,
  connection: Connection,
  signal: AbortSignal,
): Promise<void> {
  if (pods.length === 0) return;
  const done = new AbortController();
  const ending = AbortSignal.any([signal, done.signal]);
  const informer = new Informer(connection.clients.of<Pod>(resources.pods), { fieldSelector: `spec.nodeName=${name}` });
  const running = informer.start(ending);
  try {
    if (options.dryRun === undefined) await withSignal(informer.synced, signal);
    for (let left = pods; left.length > 0;) {
      left = await evictAll(left, options, connection, ending);
      if (left.length === 0) break;
      await delay(RETRY_MS, ending);
      if (informer.hasSynced) left = left.filter((pod) => isThere(informer, pod));
    }
    if (options.dryRun === undefined) await withSignal(gone(informer, pods), signal);
  } finally {
    done.abort();
    await running;
  }
}

/** @returns those that a budget keeps for now */
async function evictAll(
  pods: readonly Pod[],
  options: EvictionOptions,
  connection: Connection,
  signal: AbortSignal,
): Promise<Pod[]> {
  const queue = [...pods];
  const kept: Pod[] = [];
  const work = async () => {
    for (let pod = queue.shift(); pod !== undefined; pod = queue.shift()) {
      signal.throwIfAborted();
      if (!await evict(pod, options, connection)) kept.push(pod);
    }
  };
  await Promise.all(Array.from({ length: Math.min(EVICTIONS_MAX, pods.length) }, work));
  return kept;
}

/** @returns whether it has gone, or is on its way out */
async function evict(pod: Pod, options: EvictionOptions, { clients }: Connection): Promise<boolean> {
  const { name, namespace, uid, deletionTimestamp } = pod.metadata;
  const { gracePeriodSeconds, byDeletion, dryRun } = options;
  const client = clients.of<Pod>(resources.pods);
  console.log(`${byDeletion ? "deleting" : "evicting"} pod ${namespace}/${name}${dryRunSuffix(dryRun)}`);
  if (dryRun === "client") return true;
  const deletion = {
    ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
    preconditions: { ...(uid !== undefined && { uid }) },
  };
  try {
    if (byDeletion) await client.delete(name, { namespace, ...deletion, dryRun: dryRun === "server" });
    else {
      const object = {
        apiVersion: "policy/v1",
        kind: "Eviction",
        metadata: { name, namespace },
        deleteOptions: deletion,
      };
      await client.createSubresource(name, { namespace, subresource: "eviction", object, dryRun: dryRun === "server" });
    }
    return true;
  } catch (error) {
    if (isNotFound(error)) return true;
    const isEnding = isForbidden(error) && hasCause(error, "NamespaceTerminating");
    if (isEnding && deletionTimestamp !== undefined) return true;
    // A conflict: the budget was changed meanwhile, or another pod has its name by now.
    if (!isEnding && !isConflict(error) && !(error instanceof ApiError && error.code === 429)) throw error;
    console.error(`${namespace}/${name} stays for now, and is tried again in ${RETRY_MS / 1000} s: ${explain(error)}`);
    return false;
  }
}

function hasCause(error: unknown, wanted: string): boolean {
  return error instanceof ApiError && (error.details.causes?.some(({ reason }) => reason === wanted) ?? false);
}

/** Resolves when none of them is there any longer; tells of each. */
async function gone(informer: Informer<Pod>, pods: readonly Pod[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const left = new Map(pods.map((pod) => [pod.metadata.uid, pod]));
  const look = () => {
    for (const [uid, pod] of left) {
      if (isThere(informer, pod)) continue;
      left.delete(uid);
      console.log(`pod/${pod.metadata.name} evicted`);
    }
    if (left.size === 0) resolve();
  };
  informer.onChange(look);
  look();
  await promise;
}

function isThere(informer: Informer<Pod>, { metadata: { name, namespace, uid } }: Pod): boolean {
  return informer.get(namespace!, name)?.metadata.uid === uid;
}

async function withSignal<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
