/** What a planner may ask for. The runner does it under the controller's own identity. */
import type { Draft, KubernetesObject, ResourceRef } from "@k3ts/model/objects";

/**
 * One thing to do. Actions are carried out in their order, neighbours of one kind (creates, patches, deletes) several at a time, and the
 * first that fails ends the round.
 */
export type Action =
  /** Where one of that name exists already, the plan is made anew once that one is seen. */
  | { do: "create"; resource: ResourceRef; object: Draft<KubernetesObject>; tells?: Told }
  /** Writes the whole object as it was read and changed: fails, and the plan is made anew, when somebody else wrote in between. */
  | { do: "update"; resource: ResourceRef; object: KubernetesObject; subresource?: string }
  /** RFC 7386, against the object as it was read: the same rule. */
  | {
    do: "patch";
    resource: ResourceRef;
    object: KubernetesObject;
    patch: Record<string, unknown>;
    subresource?: string;
  }
  /** Only the very object that was read (uid). What is gone is not an error. */
  | {
    do: "delete";
    resource: ResourceRef;
    object: KubernetesObject;
    because: string;
    propagation?: Propagation;
    tells?: Told;
  }
  /** POST to a subresource, such as a pod's `binding`. */
  | { do: "post"; resource: ResourceRef; object: KubernetesObject; subresource: string; body: Record<string, unknown> }
  /** Makes the planned object the controller of this one, which it may hold by a finalizer. */
  | { do: "adopt"; resource: ResourceRef; object: KubernetesObject; finalizer?: string }
  /** Takes the planned object off the owners of this one, and lets go of it. */
  | { do: "release"; resource: ResourceRef; object: KubernetesObject; finalizer?: string }
  /** Tells people, in an Event about the planned object or another one. */
  | { do: "event"; type: "Normal" | "Warning"; reason: string; message: string; about?: KubernetesObject };

/** An action that the server would not take. */
export interface Refused {
  action: Action;
  message: string;
}

/** An event about the planned object, once the action has been done: the message ends with the name of what was made or deleted. */
export interface Told {
  reason: string;
  message: string;
}

export type Propagation = "Background" | "Foreground" | "Orphan";

export interface Plan {
  actions: readonly Action[];
  /** What the status should say; written through the status subresource, and only when it differs from what was read. */
  status?: object;
  /**
   * What the status should say when an action was refused (invalid, forbidden, over a quota); the round is tried again
   * later and later. @default `status`
   */
  statusAfter?: (refused: Refused) => object;
  /** When time alone will change the plan, in ms since the epoch. */
  reconsiderAt?: number;
}

/** Nothing to do until something changes. */
export const REST: Plan = { actions: [] };

/** `{ do: "create" }` for an object of a known type. */
export function create<T extends KubernetesObject>(resource: ResourceRef<T>, object: Draft<T>): Action {
  return { do: "create", resource, object };
}

/** `{ do: "update" }` with some fields changed. */
export function update<T extends KubernetesObject>(resource: ResourceRef<T>, object: T, changes: Partial<T>): Action {
  return { do: "update", resource, object: { ...object, ...changes } };
}
