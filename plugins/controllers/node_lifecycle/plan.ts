/**
 * One look at all nodes: which of them are not known to be well, what they are tainted with, and which pods are no
 * longer ready because of it. Pure: what it remembers goes in and comes out.
 *
 * Follows k8s.io/kubernetes `pkg/controller/nodelifecycle` (1.35).
 */
import type { Lease, Moment, Node, NodeCondition, Taint } from "@k3ts/model/objects";
import { afterDeafness, type Health, observe, readyCondition, silentConditions } from "./health.ts";
import type { NodeLimits } from "./limits.ts";
import { evictingTaint, isEvicting, planTaints } from "./taints.ts";
import { type Bucket, isExcluded, rateOf, refill, stateOf, zoneOf, type ZoneState } from "./zones.ts";

export interface Memory {
  healths: ReadonlyMap<string, Health>;
  buckets: ReadonlyMap<string, Bucket>;
  /** No node of the cluster was ready: nothing is evicted. */
  allGone: boolean;
}

export const NOTHING: Memory = { healths: new Map(), buckets: new Map(), allGone: false };

/** What is to be written of a node. */
export interface NodeChange {
  node: Node;
  /** It has just fallen silent. */
  conditions?: NodeCondition[];
  taints?: Taint[];
}

export interface Pass {
  memory: Memory;
  changes: NodeChange[];
  /**
   * Whose pods are not to be sent anything: nobody knows whether they are well. None when all nodes are silent, as then
   * it is we who do not hear.
   */
  silent: string[];
}

interface Seen {
  node: Node;
  health: Health;
  /** As they are to be. */
  conditions: readonly NodeCondition[];
  /** Where they differ from what is. */
  changed?: NodeCondition[];
  ready: NodeCondition | undefined;
}

/**
 * @param leases by node
 * @param deafMs for how long, since the last pass, no node could have been heard: this process or the server stood still
 */
export function planPass(
  earlier: Memory,
  nodes: readonly Node[],
  leases: ReadonlyMap<string, Lease>,
  limits: NodeLimits,
  now: Moment,
  deafMs = 0,
): Pass {
  const before = { ...earlier, healths: afterDeafness(earlier.healths, deafMs) };
  const seen = nodes.map((node) => look(before, node, leases.get(node.metadata.name), limits, now));
  const zones = zonesOf(seen, limits);
  const allGone = zones.size > 0 && [...zones.values()].every(({ state }) => state === "full");
  // When some come back, the others are given the time to do the same.
  const isBack = before.allGone && !allGone;
  const buckets = new Map<string, Bucket>();
  for (const [zone, { state, size }] of zones) {
    buckets.set(
      zone,
      refill(isBack ? undefined : before.buckets.get(zone), rateOf(state, size, limits), now.monotonic),
    );
  }
  const changes = seen.flatMap((one) => {
    const zone = zones.get(zoneOf(one.node));
    const isHalted = allGone || (zone !== undefined && rateOf(zone.state, zone.size, limits) === 0);
    const evict = allGone ? undefined : mayEvict(one, buckets, isHalted);
    const taints = planTaints(one.node, one.conditions, evict, now.wall);
    if (one.changed === undefined && taints === undefined) return [];
    return [{
      node: one.node,
      ...(one.changed !== undefined && { conditions: one.changed }),
      ...(taints !== undefined && { taints }),
    }];
  });
  const healths = new Map(
    seen.map(({ node, health }) => [node.metadata.name, isBack ? { ...health, seenAt: now.monotonic } : health]),
  );
  const silent = allGone
    ? []
    : seen.filter(({ ready }) => ready?.status === "Unknown").map(({ node }) => node.metadata.name);
  return { memory: { healths, buckets, allGone }, changes, silent };
}

function look(before: Memory, node: Node, lease: Lease | undefined, limits: NodeLimits, now: Moment): Seen {
  const health = observe(before.healths.get(node.metadata.name), node, lease, now);
  const changed = silentConditions(node, health, limits, now);
  const conditions = changed ?? node.status?.conditions ?? [];
  return {
    node,
    health,
    conditions,
    ...(changed !== undefined && { changed }),
    ready: readyCondition({ ...node, status: { conditions: [...conditions] } }),
  };
}

function zonesOf(seen: readonly Seen[], limits: NodeLimits): Map<string, { state: ZoneState; size: number }> {
  const counts = new Map<string, { ready: number; notReady: number }>();
  for (const { node, ready } of seen) {
    if (isExcluded(node)) continue;
    const zone = zoneOf(node);
    const count = counts.get(zone) ?? { ready: 0, notReady: 0 };
    counts.set(zone, count);
    if (ready?.status === "True") count.ready++;
    else count.notReady++;
  }
  return new Map(
    [...counts].map(([zone, { ready, notReady }]) => [zone, {
      state: stateOf(ready, notReady, limits),
      size: ready + notReady,
    }]),
  );
}

/** The taint that it has already stays, or follows its state; a new one takes a token of its zone. */
function mayEvict({ node, ready }: Seen, buckets: Map<string, Bucket>, isHalted: boolean): string | undefined {
  const wanted = evictingTaint(ready);
  if (wanted === undefined || node.spec?.taints?.some(isEvicting)) return wanted;
  const bucket = buckets.get(zoneOf(node)) ?? { tokens: 1, at: 0 };
  if (isHalted || bucket.tokens < 1) return undefined;
  buckets.set(zoneOf(node), { ...bucket, tokens: bucket.tokens - 1 });
  return wanted;
}
