/** Encodings that watches share: of changes, and of what is there when they begin. Bounded: the oldest are forgotten. */
import type { Revision } from "../store/store.ts";
import { parseObject, type StoredObject } from "../registry/stored_object.ts";
import type { ObjectChange } from "./change.ts";
import { EncodedEvent, type Form, type WatchEventType } from "./encoding.ts";
import { Kept, type KeptLimits } from "./kept.ts";

/** Events handed over at once, so that one watch does not hold up the others. */
export const EVENTS_AT_ONCE = 64;
/** And bytes, of what was there at the beginning. */
const INITIAL_BYTES_AT_ONCE = 64 * 1024;
/** What is remembered: of changes those that watches are likely to be reading now. */
const LIMITS: KeptLimits = {
  countMax: 1024,
  /** Of the objects that are shown; framed for a wire they are twice as many. */
  bytesMax: 8 * 1024 * 1024,
};

/** Encoded events by change, form and type, shared between watches. They go with the history that has the change. */
export class SharedEvents {
  readonly #events = new Kept<ObjectChange, EncodedEvent>(LIMITS);

  get(change: ObjectChange, type: WatchEventType, object: StoredObject, form: Form): EncodedEvent {
    const id = `${type}/${form.id}`;
    const known = this.#events.get(change, id);
    if (known !== undefined) return known;
    // What left a filter is shown as it was, but as of the revision at which it left.
    const shown = type === "DELETED" && object.revision !== change.revision ? at(object, change.revision) : object;
    const event = new EncodedEvent(type, form.encode(shown), change.traceparent);
    this.#events.keep(change, id, event, event.object.length);
    return event;
  }
}

/**
 * What is there, batch by batch, shared by the watches that begin with the same.
 *
 * Most begin with what nobody else does: an object by itself, a namespace, what a selector chose is gathered anew for
 * each, and everything anew after each change. So batches go with the array that they were made from.
 */
export class SharedBatches {
  readonly #batches = new Kept<readonly StoredObject[], readonly EncodedEvent[]>(LIMITS);

  /** The batch that begins at an index, which is before the end. */
  get(objects: readonly StoredObject[], at: number, form: Form): readonly EncodedEvent[] {
    const id = `${at}/${form.id}`;
    const known = this.#batches.get(objects, id);
    if (known !== undefined) return known;
    const events: EncodedEvent[] = [];
    let bytes = 0;
    for (let index = at; index < objects.length && events.length < EVENTS_AT_ONCE; index++) {
      const event = new EncodedEvent("ADDED", form.encode(objects[index]!));
      events.push(event);
      bytes += event.object.length;
      if (bytes >= INITIAL_BYTES_AT_ONCE) break;
    }
    this.#batches.keep(objects, id, events, bytes);
    return events;
  }
}

function at(object: StoredObject, revision: Revision): StoredObject {
  const parsed = parseObject(object);
  parsed.metadata.resourceVersion = String(revision);
  return { ...object, revision, json: new TextEncoder().encode(JSON.stringify(parsed)) };
}
