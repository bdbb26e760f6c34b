/**
 * How fast pods may be evicted: slower the more of a zone is gone, and not at all when all is, as then it is more
 * likely that nodes cannot be seen than that they are all dead. Pure.
 */
import type { MonotonicTime, Node } from "@k3ts/model/objects";
import type { NodeLimits } from "./limits.ts";

export type ZoneState = "normal" | "partial" | "full";

/** Tokens for nodes whose pods begin to be evicted; one at most waits to be used. */
export interface Bucket {
  tokens: number;
  at: MonotonicTime;
}

const BURST = 1;
const EXCLUDED = "node.kubernetes.io/exclude-disruption";

export function zoneOf({ metadata: { labels = {} } }: Node): string {
  const region = labels["topology.kubernetes.io/region"] ?? labels["failure-domain.beta.kubernetes.io/region"] ?? "";
  const zone = labels["topology.kubernetes.io/zone"] ?? labels["failure-domain.beta.kubernetes.io/zone"] ?? "";
  return `${region}/${zone}`;
}

/** Whether it says nothing about its zone. */
export function isExcluded({ metadata }: Node): boolean {
  return metadata.labels?.[EXCLUDED] !== undefined;
}

export function stateOf(ready: number, notReady: number, { unhealthyZoneThreshold }: NodeLimits): ZoneState {
  if (ready === 0 && notReady > 0) return "full";
  return notReady > 2 && notReady / (notReady + ready) >= unhealthyZoneThreshold ? "partial" : "normal";
}

/** Nodes a second. A zone that is gone as a whole, while others are not, is evicted from as any other. */
export function rateOf(state: ZoneState, nodes: number, limits: NodeLimits): number {
  if (state !== "partial") return limits.evictionsPerSecond;
  return nodes > limits.largeZone ? limits.evictionsPerSecondDisrupted : 0;
}

export function refill(bucket: Bucket | undefined, rate: number, now: MonotonicTime): Bucket {
  if (bucket === undefined) return { tokens: BURST, at: now };
  return { tokens: Math.min(BURST, bucket.tokens + (now - bucket.at) / 1000 * rate), at: now };
}
