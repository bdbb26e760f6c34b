/**
 * Shares out a change of a Deployment's `replicas` among the ReplicaSets that have pods, by their size, so that the
 * risk of a rollout that is under way stays what it was. Pure. (docs: "Deployments", "Proportional scaling")
 */
import type { Deployment, ReplicaSet } from "@k3ts/model/objects";
import { DESIRED, MAXIMUM } from "./annotations.ts";
import { limits } from "./limits.ts";

/** Whether some set was last scaled for another number than the one that is wanted now. */
export function needsSharing(deployment: Deployment, sets: readonly ReplicaSet[]): boolean {
  const wanted = String(deployment.spec?.replicas ?? 1);
  return sets.some((set) => sizeOf(set) > 0 && (set.metadata.annotations?.[DESIRED] ?? wanted) !== wanted);
}

/** @returns how many pods each set is to have, for the sets that have any and for the current one */
export function share(
  deployment: Deployment,
  current: ReplicaSet | undefined,
  old: readonly ReplicaSet[],
): Map<ReplicaSet, number> {
  const active = [...old, ...(current === undefined ? [] : [current])].filter((set) => sizeOf(set) > 0);
  const only = active.length === 0 ? current : active.length === 1 ? active[0] : undefined;
  if (only !== undefined) return new Map([[only, sizeAlone(deployment, only, only === current)]]);
  if (active.length === 0) return new Map();
  if (current !== undefined && isSaturated(deployment, current)) {
    return new Map(active.map((set) => [set, set === current ? sizeOf(set) : 0]));
  }
  if (deployment.spec?.strategy?.type === "Recreate") return new Map(active.map((set) => [set, sizeOf(set)]));
  return proportional(deployment, active);
}

/** What is being rolled out grows as the rollout lets it: pods of the others may still be there. */
function sizeAlone(deployment: Deployment, set: ReplicaSet, isCurrent: boolean): number {
  const wanted = deployment.spec?.replicas ?? 1;
  return isCurrent && deployment.spec?.paused !== true ? Math.min(wanted, sizeOf(set)) : wanted;
}

/** It runs all that is wanted, so that others are not needed. */
function isSaturated(deployment: Deployment, set: ReplicaSet): boolean {
  const wanted = deployment.spec?.replicas ?? 1;
  return sizeOf(set) === wanted && set.metadata.annotations?.[DESIRED] === String(wanted) &&
    set.status?.availableReplicas === wanted;
}

function proportional(deployment: Deployment, active: readonly ReplicaSet[]): Map<ReplicaSet, number> {
  const wanted = deployment.spec?.replicas ?? 1;
  const room = wanted > 0 ? wanted + limits(deployment).surge : 0;
  const total = active.reduce((sum, set) => sum + sizeOf(set), 0);
  const change = room - total;
  // Pods that were told to go, and have not gone yet, still take the room; their set will say when they have.
  if (change > 0 && active.some((set) => (set.status?.replicas ?? 0) > sizeOf(set))) return new Map();
  // The largest first; of equals the newer one grows, the older one shrinks.
  const ordered = active.toSorted((a, b) =>
    sizeOf(b) - sizeOf(a) || Math.sign(change) * (createdAt(b) - createdAt(a)) || compareNames(a, b)
  );
  let left = change;
  const sizes = new Map<ReplicaSet, number>();
  for (const set of ordered) {
    const part = within(left, fraction(deployment, set, room));
    left -= part;
    sizes.set(set, sizeOf(set) + part);
  }
  const largest = ordered[0]!;
  return sizes.set(largest, Math.max(0, sizes.get(largest)! + left));
}

/** By how much the set would change if it kept its share of the whole. */
function fraction(deployment: Deployment, set: ReplicaSet, room: number): number {
  if (room === 0) return -sizeOf(set);
  const before = Number(set.metadata.annotations?.[MAXIMUM]) || deployment.status?.replicas || 0;
  return before === 0 ? 0 : Math.round(sizeOf(set) * room / before) - sizeOf(set);
}

/** Never more than is left, and never in the other direction. */
function within(left: number, part: number): number {
  return left > 0 ? Math.max(0, Math.min(part, left)) : Math.min(0, Math.max(part, left));
}

function sizeOf(set: ReplicaSet): number {
  return set.spec?.replicas ?? 1;
}

function createdAt(set: ReplicaSet): number {
  return Date.parse(set.metadata.creationTimestamp ?? "") || 0;
}

function compareNames(a: ReplicaSet, b: ReplicaSet): number {
  return a.metadata.name < b.metadata.name ? -1 : 1;
}
