/**
 * One watch: a reader of its resource's history at its own pace.
 *
 * It keeps no events of its own. While its sink has room it goes on from where it is, first through the objects that it
 * was to begin with, then through the history, and is called again when there is more. A slow one delays nobody; one so
 * slow that the history has forgotten its place is ended, and its client lists again. Those that have much to be told at
 * once do so a few at a time.
 */
import type { Revision } from "../store/store.ts";
import { parseObject, type StoredObject } from "../registry/stored_object.ts";
import type { Clock } from "../clock.ts";
import { expired, type Status, statusOf } from "../status.ts";
import { type ObjectChange, seenThrough } from "./change.ts";
import { EncodedEvent, type Form, type WatchEventType } from "./encoding.ts";
import type { ResourceCache, Scope } from "./resource_cache.ts";
import type { Turn, Turns } from "./turns.ts";

/**
 * Takes the events of one watch. Today each face has one that writes to its own stream; a sink that hands an event to
 * the gateway once for all its streams fits as well.
 */
export interface EventSink {
  /** Bytes that it would take now. At 0 or less it is full, and whoever made it calls `resume` when that has changed. */
  room(): number;
  send(events: readonly EncodedEvent[]): void;
  /** Nothing follows. */
  end(): void;
}

export interface WatchOptions {
  /** Whose it is: users take turns. */
  user: string;
  scope: Scope;
  form: Form;
  /** Changes after this revision; or everything that is there, as ADDED, and then what follows. */
  from: { after: Revision } | "newest";
  /** Tell the revision now and then, though nothing in the scope has changed. */
  bookmarks: boolean;
  /** Mark the end of what was there with an annotated bookmark (a streamed list). */
  marksInitialEnd: boolean;
  /** Makes a bookmark: an object of the resource's kind with nothing but this metadata. */
  bookmark(metadata: { resourceVersion: string; annotations?: Record<string, string> }): StoredObject;
}

/** Events handed over at once, so that one watch does not hold up the others. */
const EVENTS_AT_ONCE = 64;
/** And bytes, of what was there at the beginning. */
const INITIAL_BYTES_AT_ONCE = 64 * 1024;
/** Objects or changes that a watch may be told of without a turn. */
const FEW_AHEAD = 256;
const BOOKMARK_EVERY_MS = 60_000;
/** Remembered encodings of changes: those that watches are likely to be reading now. */
const SHARED_EVENTS_MAX = 1024;
/** Bytes of the objects of remembered changes; encoded and framed they are a few times as many. */
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
      const few = this.#events.size <= SHARED_EVENTS_MAX && this.#bytes <= SHARED_BYTES_MAX;
      if (few || this.#events.size === 1) return;
      this.#events.delete(oldest);
      this.#bytes -= oldest.object.json.length;
    }
  }
}

/** What is there, batch by batch, shared by the watches that begin with the same. */
export class SharedBatches {
  readonly #batches = new Map<string, { events: readonly EncodedEvent[]; bytes: number }>();
  readonly #ids = new WeakMap<readonly StoredObject[], number>();
  #lastId = 0;
  #bytes = 0;

  /** The batch that begins at an index, which is before the end. */
  get(objects: readonly StoredObject[], at: number, form: Form): readonly EncodedEvent[] {
    const key = `${this.#idOf(objects)}/${at}/${form.id}`;
    const known = this.#batches.get(key);
    if (known !== undefined) return known.events;
    const events: EncodedEvent[] = [];
    let bytes = 0;
    for (let index = at; index < objects.length && events.length < EVENTS_AT_ONCE; index++) {
      const event = new EncodedEvent("ADDED", form.encode(objects[index]!));
      events.push(event);
      bytes += event.object.length;
      if (bytes >= INITIAL_BYTES_AT_ONCE) break;
    }
    this.#batches.set(key, { events, bytes });
    this.#bytes += bytes;
    this.#forget();
    return events;
  }

  #idOf(objects: readonly StoredObject[]): number {
    let id = this.#ids.get(objects);
    if (id === undefined) this.#ids.set(objects, id = ++this.#lastId);
    return id;
  }

  /** The oldest. */
  #forget(): void {
    for (const [key, { bytes }] of this.#batches) {
      if (this.#bytes <= SHARED_BYTES_MAX) return;
      this.#batches.delete(key);
      this.#bytes -= bytes;
    }
  }
}

/** What all watches share. */
export interface WatchContext {
  shared: SharedEvents;
  batches: SharedBatches;
  turns: Turns;
  visible: () => Revision;
  clock: Clock;
}

export class Watch {
  readonly #cache: ResourceCache;
  readonly #options: WatchOptions;
  readonly #sink: EventSink;
  readonly #context: WatchContext;
  readonly #follow = () => this.resume();
  readonly #onEnd: () => void;
  /** Why it cannot even begin; told at the first `resume`. */
  #refusal: Status | undefined;
  #state: "new" | "waiting for its turn" | "begun" = "new";
  #turn: Turn | undefined;
  #initial: readonly StoredObject[] | undefined;
  #initialAt = 0;
  #sequence = 0;
  /** What the watcher has been told, by event or bookmark. */
  #told: Revision;
  #running = false;
  #ended = false;
  #callOffBookmark: (() => void) | undefined;

  constructor(
    cache: ResourceCache,
    options: WatchOptions,
    sink: EventSink,
    context: WatchContext,
    onEnd: () => void,
  ) {
    this.#onEnd = onEnd;
    this.#cache = cache;
    this.#options = options;
    this.#sink = sink;
    this.#context = context;
    const { from } = options;
    if (from === "newest") this.#told = 0;
    else {
      this.#told = from.after;
      const sequence = cache.history.sequenceAfter(from.after);
      this.#sequence = sequence ?? -1;
      if (sequence === undefined) {
        this.#refusal = expired(`too old resource version: ${from.after} (${cache.history.begin - 1})`).status;
      } else if (from.after > context.visible()) {
        // It has seen a state that was lost since, as the store is a backup: what it knows is to be read anew.
        this.#refusal = expired(`too new resource version: ${from.after} (${context.visible()})`).status;
      }
    }
    cache.followers.add(this.#follow);
    if (options.bookmarks) this.#keepBookmarking(context.clock);
  }

  /** Goes on where it stopped: there are new changes, or there is room again. */
  resume(): void {
    // A sink may call back while it is being sent to.
    if (this.#running || this.#ended) return;
    if (this.#refusal !== undefined) return this.fail(this.#refusal);
    if (this.#state === "new") return this.#begin();
    if (this.#state !== "begun") return;
    this.#running = true;
    try {
      while (!this.#ended && this.#sink.room() > 0) {
        if (this.#step()) this.#turn?.used();
        else {
          // Everything has been told.
          this.#turn?.end();
          break;
        }
      }
    } catch (error) {
      // One watcher's trouble (a stream that broke, an object that has no such form) is not the writer's who called.
      this.#break(error);
    } finally {
      this.#running = false;
    }
  }

  /** Ends it; the client may watch on from the last revision that it was told. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#turn?.end();
    this.#callOffBookmark?.();
    this.#cache.followers.delete(this.#follow);
    this.#onEnd();
    this.#sink.end();
  }

  /** Ends it with an ERROR event. */
  fail(status: Status): void {
    if (this.#ended) return;
    this.#sink.send([new EncodedEvent("ERROR", this.#options.form.encodeStatus(status))]);
    this.end();
  }

  #break(error: unknown): void {
    try {
      this.fail(statusOf(error));
    } catch {
      this.end();
    }
  }

  /** Tells the revision, if the watcher asked for that, has seen everything and has room. */
  bookmark(): void {
    const revision = this.#context.visible();
    if (this.#ended || !this.#options.bookmarks || this.#state !== "begun" || this.#initial !== undefined) return;
    if (revision <= this.#told) return;
    if (this.#sequence < this.#cache.history.end || this.#sink.room() <= 0) return;
    this.#sendBookmark(revision, {});
  }

  /** @returns whether anything may follow at once */
  #step(): boolean {
    return this.#initial === undefined ? this.#stepThroughHistory() : this.#stepThroughInitial(this.#initial);
  }

  /** Now, or when its turn comes: what is there is looked at only then. */
  #begin(): void {
    const { from, scope, user } = this.#options;
    const { history } = this.#cache;
    const begin = () => {
      if (from === "newest") {
        this.#initial = this.#cache.newest(scope);
        this.#sequence = history.end;
      }
      this.#state = "begun";
      this.resume();
    };
    const ahead = from === "newest" ? this.#cache.index.size : history.end - this.#sequence;
    if (ahead <= FEW_AHEAD) return begin();
    this.#state = "waiting for its turn";
    const asked = this.#context.turns.ask(user, (turn) => {
      this.#turn = turn;
      begin();
    });
    // Waited for until then: whoever ends before it has come must say so.
    this.#turn ??= asked;
  }

  #stepThroughInitial(initial: readonly StoredObject[]): boolean {
    if (this.#initialAt < initial.length) {
      const events = this.#context.batches.get(initial, this.#initialAt, this.#options.form);
      this.#initialAt += events.length;
      this.#sink.send(events);
    }
    if (this.#initialAt >= initial.length) this.#initial = undefined;
    if (this.#initial === undefined && this.#options.marksInitialEnd) this.#markInitialEnd();
    return true;
  }

  #stepThroughHistory(): boolean {
    const events: EncodedEvent[] = [];
    const { scope, form } = this.#options;
    for (let room = this.#sink.room(); room > 0 && events.length < EVENTS_AT_ONCE;) {
      const change = this.#cache.history.at(this.#sequence);
      if (change === undefined) break;
      if (change === "forgotten") {
        this.end();
        return false;
      }
      this.#sequence++;
      if (change.revision <= this.#told || !inScope(scope, change.object)) continue;
      const seen = seenThrough(change, scope.filter);
      if (seen === undefined) continue;
      const event = this.#context.shared.get(change, seen.type, seen.object, form);
      room -= event.object.length;
      events.push(event);
      this.#told = change.revision;
    }
    if (events.length === 0) return false;
    this.#sink.send(events);
    return true;
  }

  /** The revision is that of the last change before the history goes on, so that nothing is missed after it. */
  #markInitialEnd(): void {
    const next = this.#cache.history.at(this.#sequence);
    const revision = next === undefined || next === "forgotten" ? this.#context.visible() : next.revision - 1;
    this.#sendBookmark(revision, { annotations: { "k8s.io/initial-events-end": "true" } });
  }

  #sendBookmark(revision: Revision, more: { annotations?: Record<string, string> }): void {
    const { form, bookmark } = this.#options;
    const object = bookmark({ resourceVersion: String(revision), ...more });
    this.#sink.send([new EncodedEvent("BOOKMARK", form.encode(object))]);
    this.#told = Math.max(this.#told, revision);
  }

  #keepBookmarking(clock: Clock): void {
    this.#callOffBookmark = clock.after(BOOKMARK_EVERY_MS, () => {
      this.bookmark();
      this.#keepBookmarking(clock);
    });
  }
}

function inScope({ namespace, name }: Scope, object: StoredObject): boolean {
  return (namespace === undefined || object.namespace === namespace) && (name === undefined || object.name === name);
}

function at(object: StoredObject, revision: Revision): StoredObject {
  const parsed = parseObject(object);
  parsed.metadata.resourceVersion = String(revision);
  return { ...object, revision, json: new TextEncoder().encode(JSON.stringify(parsed)) };
}
