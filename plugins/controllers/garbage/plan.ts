/**
 * Decides what becomes of an object when its owners or its dependents are on their way out. Pure.
 *
 * Behaviour follows Kubernetes 1.35 (docs: "Garbage Collection", "Owners and Dependents").
 */
import type { KubernetesObject, OwnerReference } from "@k3ts/model/objects";

export const ORPHAN = "orphan";
export const FOREGROUND = "foregroundDeletion";

/** `unknown`: its kind is not served, or it could not be looked up; nothing is concluded from that. */
export type OwnerState = "present" | "waitsForDependents" | "gone" | "unknown";

export type GarbageAction =
  | { do: "delete"; object: KubernetesObject; propagation: "Background" | "Foreground" | "Orphan"; because: string }
  | { do: "dropOwners"; object: KubernetesObject; uids: string[] }
  /** Takes `blockOwnerDeletion` off the object's references, so that owners which wait for each other do not do so for ever. */
  | { do: "unblock"; object: KubernetesObject }
  | { do: "dropFinalizer"; object: KubernetesObject; finalizer: string };

/** @param dependents every object that names this one as an owner */
export function planGarbage(
  object: KubernetesObject,
  stateOf: (owner: OwnerReference) => OwnerState,
  dependents: readonly KubernetesObject[],
): GarbageAction[] {
  const { metadata } = object;
  if (metadata.deletionTimestamp !== undefined) return planLeaving(object, dependents);
  const owners = metadata.ownerReferences ?? [];
  if (owners.length === 0) return [];
  const states = new Map(owners.map((owner) => [owner.uid, stateOf(owner)]));
  const uids = (state: OwnerState) => owners.map(({ uid }) => uid).filter((uid) => states.get(uid) === state);
  const lost = [...uids("gone"), ...uids("waitsForDependents")];
  if (lost.length === 0) return [];
  if (lost.length < owners.length) return [{ do: "dropOwners", object, uids: lost }];
  const propagation = propagationFor(metadata.finalizers ?? []);
  if (uids("waitsForDependents").length === 0 || dependents.length === 0) {
    return [{ do: "delete", object, propagation, because: "its owners are gone" }];
  }
  const isCircle = dependents.some(waitsForDependents) &&
    owners.some(({ blockOwnerDeletion }) => blockOwnerDeletion === true);
  // The next round, once that is seen, deletes it.
  if (isCircle) return [{ do: "unblock", object }];
  return [{ do: "delete", object, propagation: "Foreground", because: "its owners wait for it" }];
}

/** What the object itself was told about its dependents. */
function propagationFor(finalizers: readonly string[]): "Background" | "Foreground" | "Orphan" {
  if (finalizers.includes(ORPHAN)) return "Orphan";
  return finalizers.includes(FOREGROUND) ? "Foreground" : "Background";
}

/** It is being deleted in the foreground. */
export function waitsForDependents({ metadata }: KubernetesObject): boolean {
  return metadata.deletionTimestamp !== undefined && (metadata.finalizers ?? []).includes(FOREGROUND);
}

function planLeaving(object: KubernetesObject, dependents: readonly KubernetesObject[]): GarbageAction[] {
  const { uid, finalizers = [] } = object.metadata;
  if (finalizers.includes(ORPHAN)) {
    const releases = dependents.map((dependent): GarbageAction => ({
      do: "dropOwners",
      object: dependent,
      uids: [uid],
    }));
    return [...releases, { do: "dropFinalizer", object, finalizer: ORPHAN }];
  }
  if (!finalizers.includes(FOREGROUND)) return [];
  const blocking = dependents.filter((dependent) =>
    dependent.metadata.ownerReferences?.some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true)
  );
  // Those that are left go by plans of their own: each knows whether it has other owners.
  return blocking.length === 0 ? [{ do: "dropFinalizer", object, finalizer: FOREGROUND }] : [];
}
