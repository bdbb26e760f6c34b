/** Owner references, conditions, finalizers and labels: what controllers do with any kind of object. */
import type { ApiObject, OwnerReferenceData } from "./kinds/kind.ts";

/** The owner that manages the object; at most one does. */
export function controllerOf(
  object: { metadata: { ownerReferences?: readonly OwnerReferenceData[] } },
): OwnerReferenceData | undefined {
  return object.metadata.ownerReferences?.find(({ controller }) => controller === true);
}

/** What an object that `owner` manages names as its owner. */
export function controllerReference(owner: ApiObject, apiVersion: string, kind: string): OwnerReferenceData {
  return {
    apiVersion,
    kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid ?? "",
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** A condition of whatever kind. */
export interface ConditionData {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
  lastUpdateTime?: string;
  lastProbeTime?: string | null;
  lastHeartbeatTime?: string;
  observedGeneration?: number;
}

/** At most one condition has the type. */
export function findCondition<C extends { type: string }>(
  conditions: readonly C[] | undefined,
  type: string,
): C | undefined {
  return conditions?.find((condition) => condition.type === type);
}

/** Whether the condition of this type holds; one that is not there does not. */
export function isConditionTrue(
  conditions: readonly { type: string; status: string }[] | undefined,
  type: string,
): boolean {
  return findCondition(conditions, type)?.status === "True";
}

/**
 * The conditions with these merged in by type. The time of transition moves only when the status does; others stay
 * where they are, new ones come last. The same array is returned when nothing changed.
 * @param now RFC 3339
 */
export function mergeConditions<C extends ConditionData>(
  conditions: readonly C[] | undefined,
  changes: readonly (Omit<C, "lastTransitionTime"> & { lastTransitionTime?: string })[],
  now: string,
): readonly C[] {
  let merged = conditions ?? [];
  for (const change of changes as readonly C[]) {
    const before = findCondition(merged, change.type);
    const since = before !== undefined && before.status === change.status ? before.lastTransitionTime : undefined;
    const next = { ...before, ...change, lastTransitionTime: since ?? change.lastTransitionTime ?? now };
    if (before === undefined) merged = [...merged, next];
    else if (!sameCondition(before, next)) merged = merged.map((condition) => condition === before ? next : condition);
  }
  return merged;
}

function sameCondition(a: object, b: object): boolean {
  const left = Object.entries(a).filter(([, value]) => value !== undefined);
  const right = new Map(Object.entries(b).filter(([, value]) => value !== undefined));
  return left.length === right.size && left.every(([name, value]) => right.get(name) === value);
}
