/** Encodings that watches share: of changes, and of what is there when they begin. Bounded: the oldest are forgotten. */
import type { Revision } from "../store/store.ts";
import { parseObject, type StoredObject } from "../registry/stored_object.ts";
import type { ObjectChange } from "./change.ts";
import { EncodedEvent, type Form, type WatchEventType } from "./encoding.ts";
import { Kept } from "./kept.ts";

/** Events handed over at once, so that one watch does not hold up the others. */
export const EVENTS_AT_ONCE = 64;
/** And bytes, of what was there at the beginning. */
const INITIAL_BYTES_AT_ONCE = 64 * 1024;
/** Remembered changes, those that watches are likely to be reading now; and remembered batches. */
const SHARED_MAX = 1024;
/** Bytes of the objects of those changes, and of those batches; encoded and framed they are a few times as many. */
const SHARED_BYTES_MAX = 8 * 1024 * 1024;

/** Encoded events by change, form and type, shared between watches. */
export class SharedEvents {
  readonly #events = new Map<ObjectChange, Map<string, EncodedEvent>>();
  #bytes = 0;

  get(change: ObjectChange, type: WatchEventType, object: StoredObject, form: Form): EncodedEvent {
    let forms = this.#events.get(change);
    if (forms === undefined) {
      forms = new Map();
      this.#events.set(change, forms);
      this.#bytes += change.object.json.length;
      this.#forget();
    }
    const id = `${type}/${form.id}`;
    let event = forms.get(id);
    if (event === undefined) {
      // What left a filter is shown as it was, but as of the revision at which it left.
      const shown = type === "DELETED" && object.revision !== change.revision ? at(object, change.revision) : object;
      event = new EncodedEvent(type, form.encode(shown), change.traceparent);
      forms.set(id, event);
    }
    return event;
  }

  /** The oldest, but never what has just been asked for. */
  #forget(): void {
    for (const oldest of this.#events.keys()) {
      const few = this.#events.size <= SHARED_MAX && this.#bytes <= SHARED_BYTES_MAX;
      if (few || this.#events.size === 1) return;
      this.#events.delete(oldest);
      this.#bytes -= oldest.object.json.length;
    }
  }
}

/**
 * What is there, batch by batch, shared by the watches that begin with the same.
 *
 * Most begin with what nobody else does: an object by itself, a namespace, what a selector chose is gathered anew for
 * each, and everything anew after each change. So batches go with the array that they were made from.
 */
export class SharedBatches {
  readonly #batches = new Kept<readonly StoredObject[], readonly EncodedEvent[]>({
    countMax: SHARED_MAX,
    bytesMax: SHARED_BYTES_MAX,
  });

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
