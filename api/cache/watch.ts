/**
 * One watch: a reader of its resource's history at its own pace.
 *
 * It keeps no events of its own. While its sink has room it goes on from where it is, first through the objects that it
 * was to begin with, then through the history, and is called again when there is more. A slow one delays nobody; one so
 * slow that the history has forgotten its place is ended, and its client lists again. Those that have much to be told at
 * once do so a few at a time.
 */
import type { Revision } from "../store/store.ts";
import type { StoredObject } from "../registry/stored_object.ts";
import type { Clock } from "@k3ts/model";
import { expired, type Status, statusOf } from "../status.ts";
import { seenThrough } from "./change.ts";
import { EncodedEvent, type Form } from "./encoding.ts";
import type { Channel, Group, Groups, Publisher } from "./groups.ts";
import type { ResourceCache, Scope } from "./resource_cache.ts";
import { EVENTS_AT_ONCE, type SharedBatches, type SharedEvents } from "./shared.ts";
import type { Turn, Turns } from "./turns.ts";

/** Takes the events of one watch. */
export interface EventSink {
  /** Bytes that it would take now. At 0 or less it is full, and whoever made it calls `resume` when that has changed. */
  room(): number;
  send(events: readonly EncodedEvent[]): void;
  /** Nothing follows. */
  end(): void;
}

/** One whose stream may be told along with others, once it has been told everything by itself. */
export interface JoiningSink extends EventSink {
  /** Who would do so now, if there is anybody: watches of the same publisher and view share a channel. */
  publisher(): Publisher | undefined;
  /** From now on the stream is sent what the channel is. Only what is for it alone still comes here. */
  join(channel: Channel): void;
}

export interface WatchOptions {
  /** Whose it is: users take turns. */
  user: string;
  scope: Scope;
  form: Form;
  /** Equal for watches of equal scope and form. @default it is told by itself */
  view?: string;
  /** Changes after this revision; or everything that is there, as ADDED, and then what follows. */
  from: { after: Revision } | "newest";
  /** Tell the revision now and then, though nothing in the scope has changed. */
  bookmarks: boolean;
  /** Mark the end of what was there with an annotated bookmark (a streamed list). */
  marksInitialEnd: boolean;
  /** Makes a bookmark: an object of the resource's kind with nothing but this metadata. */
  bookmark(metadata: { resourceVersion: string; annotations?: Record<string, string> }): StoredObject;
}

/** Objects or changes that a watch may be told of without a turn. */
const FEW_AHEAD = 256;
const BOOKMARK_EVERY_MS = 60_000;

/** What all watches share. */
export interface WatchContext {
  shared: SharedEvents;
  batches: SharedBatches;
  turns: Turns;
  groups: Groups<Watch, Watch>;
  visible: () => Revision;
  clock: Clock;
}

export class Watch {
  readonly #cache: ResourceCache;
  readonly #options: WatchOptions;
  readonly #sink: EventSink | JoiningSink;
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
  /** Those that it is told along with. */
  #group: Group<Watch, Watch> | undefined;
  #running = false;
  #ended = false;
  #callOffBookmark: (() => void) | undefined;

  constructor(
    cache: ResourceCache,
    options: WatchOptions,
    sink: EventSink | JoiningSink,
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
    if (this.#running || this.#ended || this.#group !== undefined) return;
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
          this.#join();
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
    this.#group?.leave(this);
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
    const reader = this.#group?.reader ?? this;
    if (revision <= Math.max(this.#told, reader.#told)) return;
    if (reader.#sequence < this.#cache.history.end || this.#sink.room() <= 0) return;
    try {
      this.#sendBookmark(revision, {});
    } catch (error) {
      // A timer called: there is nobody to tell but the watcher.
      this.#break(error);
    }
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

  /** Is told along with others from here on, if they have been told as much. */
  #join(): void {
    const { view } = this.#options;
    if (view === undefined || this.#ended || !("publisher" in this.#sink)) return;
    const publisher = this.#sink.publisher();
    if (publisher === undefined) return;
    const group = this.#context.groups.of(publisher, view, (channel, onEnd) => this.#readFor(channel, onEnd));
    group.reader.resume();
    // One whose publisher takes no more at the moment is behind: at the next change it is looked at again.
    if (group.reader.#ended || group.reader.#sequence !== this.#sequence) return group.leave(this);
    this.#group = group;
    group.add(this);
    this.#cache.followers.delete(this.#follow);
    this.#sink.join(group.channel);
  }

  #readFor(channel: Channel, onEnd: () => void): Watch {
    const options: WatchOptions = {
      ...this.#options,
      from: { after: this.#context.visible() },
      bookmarks: false,
      marksInitialEnd: false,
    };
    delete options.view;
    return new Watch(this.#cache, options, channel, this.#context, onEnd);
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
