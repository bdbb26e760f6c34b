/** Which taints a node should have, by its conditions (KEP-166, "Taint Nodes by Condition"). Pure. */
import { formatTime, type Node, type NodeCondition, type Taint } from "@k3ts/model/objects";

export const NOT_READY = "node.kubernetes.io/not-ready";
export const UNREACHABLE = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE = "node.kubernetes.io/unschedulable";

/** By `condition=status`. */
const BY_CONDITION: Readonly<Record<string, string>> = {
  "Ready=False": NOT_READY,
  "Ready=Unknown": UNREACHABLE,
  "MemoryPressure=True": "node.kubernetes.io/memory-pressure",
  "DiskPressure=True": "node.kubernetes.io/disk-pressure",
  "NetworkUnavailable=True": "node.kubernetes.io/network-unavailable",
  "PIDPressure=True": "node.kubernetes.io/pid-pressure",
};
const OF_CONDITIONS = new Set(Object.values(BY_CONDITION));

/** What keeps new pods away, for conditions and for a cordon. */
function keepAway(node: Node, conditions: readonly NodeCondition[]): Set<string> {
  const keys = conditions.map(({ type, status }) => BY_CONDITION[`${type}=${status}`]);
  return new Set([...keys, node.spec?.unschedulable ? UNSCHEDULABLE : undefined].filter((key) => key !== undefined));
}

/** The taint that drives pods out of a node in this state. */
export function evictingTaint(ready: NodeCondition | undefined): string | undefined {
  return ready?.status === "False" ? NOT_READY : ready?.status === "Unknown" ? UNREACHABLE : undefined;
}

export function isEvicting({ key, effect }: Taint): boolean {
  return effect === "NoExecute" && (key === NOT_READY || key === UNREACHABLE);
}

/**
 * The taints as they should be; those of others stay, and ours that are right keep their time.
 * @param evict the taint with NoExecute, if it is to have one
 * @returns undefined where there is nothing to change
 */
export function planTaints(
  node: Node,
  conditions: readonly NodeCondition[],
  evict: string | undefined,
  now: number,
): Taint[] | undefined {
  const present = node.spec?.taints ?? [];
  const wanted = [
    ...[...keepAway(node, conditions)].map((key) => ({ key, effect: "NoSchedule" as const })),
    ...(evict === undefined ? [] : [{ key: evict, effect: "NoExecute" as const }]),
  ];
  const same = (a: Pick<Taint, "key" | "effect">, b: Pick<Taint, "key" | "effect">) =>
    a.key === b.key && a.effect === b.effect;
  const isOurs = (taint: Taint) =>
    isEvicting(taint) ||
    (taint.effect === "NoSchedule" && (taint.key === UNSCHEDULABLE || OF_CONDITIONS.has(taint.key)));
  const kept = present.filter((taint) => !isOurs(taint) || wanted.some((one) => same(one, taint)));
  const added = wanted.filter((one) => !present.some((taint) => same(one, taint)));
  if (added.length === 0 && kept.length === present.length) return undefined;
  return [...kept, ...added.map((one) => ({ ...one, timeAdded: formatTime(now) }))];
}
