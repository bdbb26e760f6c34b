/** What happened to one object by one write, as watches and consistent reads of the past need it. */
import type { MonotonicTime } from "@k3ts/model";
import type { Revision } from "../store/store.ts";
import type { StoredObject } from "../registry/stored_object.ts";

export type EventType = "ADDED" | "MODIFIED" | "DELETED";

export interface ObjectChange {
  readonly type: EventType;
  readonly revision: Revision;
  /** When it became visible. */
  readonly at: MonotonicTime;
  /** The new state, or the last one of an object that is gone, bearing the revision of its deletion. */
  readonly object: StoredObject;
  /** W3C Trace Context of the write, where that is traced. */
  readonly traceparent?: string;
  /** The state before. Absent for ADDED, and where history begins after that state was written. */
  readonly previous?: StoredObject;
}

/** Which objects somebody wants to see. */
export type ObjectFilter = (object: StoredObject) => boolean;

/**
 * What a change looks like through a filter: leaving it is a deletion, coming into it an addition.
 *
 * Where the state before is not known (its write is older than the history that a restarted server found), it counts as
 * having been seen: a watcher bears a DELETED too many, but not one too few.
 */
export function seenThrough(
  change: ObjectChange,
  filter: ObjectFilter | undefined,
): { type: EventType; object: StoredObject } | undefined {
  const { type, object, previous } = change;
  if (filter === undefined) return { type, object };
  if (type === "ADDED") return filter(object) ? { type, object } : undefined;
  if (type === "DELETED") return filter(previous ?? object) ? { type, object } : undefined;
  const before = previous === undefined || filter(previous);
  const now = filter(object);
  if (now) return { type: before ? "MODIFIED" : "ADDED", object };
  return before ? { type: "DELETED", object: previous ?? object } : undefined;
}
