/**
 * Which pods nobody will ever end: those of nodes that are no more, those that were to go before they had a node, and
 * old ones that have ended, where there are too many. Pure. Follows k8s.io/kubernetes `pkg/controller/podgc` (1.35).
 */
import { isConditionTrue, isTerminal, type MonotonicTime, type Node, type Pod } from "@k3ts/model/objects";

export interface GcPlan {
  /** By why. */
  orphaned: Pod[];
  others: Pod[];
  /** Nodes that pods name and that are not there, with since when. */
  missing: Map<string, MonotonicTime>;
  /** Of these, those that have been missing for long enough to ask the server. */
  ask: string[];
}

/** As kube-controller-manager has it. */
export const QUARANTINE_MS = 40_000;
const TERMINATED_MAX = 12_500;
const OUT_OF_SERVICE = "node.kubernetes.io/out-of-service";

/** @param gone nodes of which the server has said that they are not there */
export function planGc(
  pods: readonly Pod[],
  nodes: readonly Node[],
  before: ReadonlyMap<string, MonotonicTime>,
  gone: ReadonlySet<string>,
  now: MonotonicTime,
): GcPlan {
  const byName = new Map(nodes.map((node) => [node.metadata.name, node]));
  const plan: GcPlan = { orphaned: [], others: [], missing: new Map(), ask: [] };
  for (const pod of pods) {
    const { nodeName = "" } = pod.spec ?? {};
    const isLeaving = pod.metadata.deletionTimestamp !== undefined;
    const node = byName.get(nodeName);
    if (nodeName === "") {
      if (isLeaving) plan.others.push(pod);
    } else if (node === undefined) {
      plan.missing.set(nodeName, before.get(nodeName) ?? now);
      if (gone.has(nodeName)) plan.orphaned.push(pod);
    } else if (isLeaving && isOutOfService(node)) plan.others.push(pod);
  }
  plan.ask = [...plan.missing].filter(([, since]) => now - since >= QUARANTINE_MS).map(([name]) => name);
  plan.others.push(...tooMany(pods));
  return plan;
}

/** Somebody has said that it is not going to come back. */
function isOutOfService(node: Node): boolean {
  return !isConditionTrue(node.status?.conditions, "Ready") &&
    (node.spec?.taints ?? []).some(({ key }) => key === OUT_OF_SERVICE);
}

/** Those that were put out first, then the oldest. */
function tooMany(pods: readonly Pod[]): Pod[] {
  const ended = pods.filter(isTerminal);
  if (ended.length <= TERMINATED_MAX) return [];
  const age = ({ metadata, status }: Pod) =>
    `${status?.reason === "Evicted" ? 0 : 1} ${metadata.creationTimestamp ?? ""} ${metadata.name}`;
  return ended.sort((a, b) => (age(a) < age(b) ? -1 : 1)).slice(0, ended.length - TERMINATED_MAX);
}
