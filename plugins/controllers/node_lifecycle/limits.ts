/** How patient the node controller is. Defaults and names as kube-controller-manager 1.35 has them. */
export interface NodeLimits {
  /** A node that has shown no sign of life for so long is not known to be well. @default 50 s */
  monitorGraceMs: number;
  /** The same for a node that has never said how it is. @default 60 s */
  startupGraceMs: number;
  /** Nodes are looked at so often. @default 5 s, or a fifth of the grace where that is shorter */
  monitorEveryMs: number;
  /** A zone of which so large a part is not ready is disrupted. @default 0.55 */
  unhealthyZoneThreshold: number;
  /** Nodes a second, in a zone, whose pods may begin to be evicted. @default 0.1 */
  evictionsPerSecond: number;
  /** The same in a disrupted zone that is large. In a small one nothing is evicted. @default 0.01 */
  evictionsPerSecondDisrupted: number;
  /** A zone with more nodes is large. @default 50 */
  largeZone: number;
}

const MONITOR_EVERY_MS = 5_000;

export function nodeLimits(monitorGraceMs: number = 50_000): NodeLimits {
  if (!(monitorGraceMs >= 1_000)) {
    throw new RangeError(
      `Cannot watch over nodes as their grace must be a second or more: it is ${monitorGraceMs} milliseconds`,
    );
  }
  return {
    monitorGraceMs,
    startupGraceMs: Math.max(60_000, monitorGraceMs),
    monitorEveryMs: Math.min(MONITOR_EVERY_MS, Math.ceil(monitorGraceMs / 5)),
    unhealthyZoneThreshold: 0.55,
    evictionsPerSecond: 0.1,
    evictionsPerSecondDisrupted: 0.01,
    largeZone: 50,
  };
}
