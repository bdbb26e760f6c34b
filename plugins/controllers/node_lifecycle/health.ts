/**
 * Whether a node is known to be well: by the signs of life that have been seen here, by this machine's clock, so that a
 * node whose clock is wrong is not taken for a dead one. Pure.
 */
import {
  formatTime,
  type Lease,
  type Moment,
  monotonicOf,
  type MonotonicTime,
  type Node,
  type NodeCondition,
} from "@k3ts/model/objects";
import type { NodeLimits } from "./limits.ts";

/** What is remembered of a node. */
export interface Health {
  /** When the last sign of life was seen. */
  seenAt: MonotonicTime;
  /** What that was; a change of any of them is a sign. */
  heartbeat?: string;
  renewTime?: string;
}

/** Those that a node itself keeps. */
const OWN_CONDITIONS = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] as const;

export function readyCondition(node: Node): NodeCondition | undefined {
  return node.status?.conditions?.find(({ type }) => type === "Ready");
}

/** Silence counts only while it could have been broken. */
export function afterDeafness(healths: ReadonlyMap<string, Health>, deafMs: number): ReadonlyMap<string, Health> {
  if (deafMs <= 0) return healths;
  return new Map([...healths].map(([name, health]) => [name, { ...health, seenAt: health.seenAt + deafMs }]));
}

/** A node that is seen for the first time has all its time before it. */
export function observe(before: Health | undefined, node: Node, lease: Lease | undefined, now: Moment): Health {
  const heartbeat = readyCondition(node)?.lastHeartbeatTime;
  const renewTime = lease?.spec?.renewTime;
  const signs = { ...(heartbeat !== undefined && { heartbeat }), ...(renewTime !== undefined && { renewTime }) };
  if (before === undefined) {
    // One that never said anything is as old as its object.
    const created = Date.parse(node.metadata.creationTimestamp ?? "");
    const isNew = heartbeat !== undefined || Number.isNaN(created);
    return { seenAt: isNew ? now.monotonic : monotonicOf(created, now), ...signs };
  }
  const isAlive = (heartbeat !== undefined && heartbeat !== before.heartbeat) ||
    (renewTime !== undefined && renewTime !== before.renewTime);
  return { seenAt: isAlive ? now.monotonic : before.seenAt, ...signs };
}

/** The conditions of a node that has been silent for too long; undefined where there is nothing to change. */
export function silentConditions(
  node: Node,
  health: Health,
  limits: NodeLimits,
  now: Moment,
): NodeCondition[] | undefined {
  const ready = readyCondition(node);
  const grace = ready === undefined ? limits.startupGraceMs : limits.monitorGraceMs;
  if (now.monotonic - health.seenAt <= grace || ready?.status === "Unknown") return undefined;
  const conditions = node.status?.conditions ?? [];
  const missing = OWN_CONDITIONS.filter((type) => !conditions.some((one) => one.type === type));
  return [
    ...conditions.map((one) =>
      one.status === "Unknown" || !OWN_CONDITIONS.some((type) => type === one.type) ? one : {
        ...one,
        status: "Unknown" as const,
        reason: "NodeStatusUnknown",
        message: "Kubelet stopped posting node status.",
        lastTransitionTime: formatTime(now.wall),
      }
    ),
    ...missing.map((type): NodeCondition => ({
      type,
      status: "Unknown",
      reason: "NodeStatusNeverUpdated",
      message: "Kubelet never posted node status.",
      lastHeartbeatTime: node.metadata.creationTimestamp,
      lastTransitionTime: formatTime(now.wall),
    })),
  ];
}
