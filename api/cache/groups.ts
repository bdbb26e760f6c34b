/**
 * Watches that see the same, told once for all of them by somebody who holds their streams: a gateway.
 *
 * A group is a watch by itself that reads on behalf of its members, at the pace at which its channel takes events. Each
 * member has read by itself before, to the very place where the group is.
 */
import type { EventSink } from "./watch.ts";

/** Takes events once for all streams that were joined to it. */
export interface Channel extends EventSink {
  /** Distinguishes it from others of the same publisher. */
  readonly id: number;
}

/** Somebody who holds streams and tells many of them the same. */
export interface Publisher {
  /** @param resume called when there is room again */
  open(resume: () => void): Channel;
}

/** What is read for a group. */
export interface GroupReader {
  resume(): void;
  end(): void;
}

export interface Member {
  end(): void;
}

export class Group<R extends GroupReader, M extends Member> {
  readonly #members = new Set<M>();
  readonly #onEnd: () => void;
  readonly channel: Channel;
  readonly reader: R;
  #ended = false;

  constructor(publisher: Publisher, read: (channel: Channel, onEnd: () => void) => R, onEnd: () => void) {
    this.#onEnd = onEnd;
    this.channel = publisher.open(() => this.reader.resume());
    this.reader = read(this.channel, () => this.#end());
  }

  add(member: M): void {
    this.#members.add(member);
  }

  /** A group without members ends. */
  leave(member: M): void {
    this.#members.delete(member);
    if (this.#members.size === 0 && !this.#ended) this.reader.end();
  }

  #end(): void {
    this.#ended = true;
    this.#onEnd();
    for (const member of [...this.#members]) member.end();
  }
}

/** By who tells it and what it sees. */
export class Groups<R extends GroupReader, M extends Member> {
  readonly #groups = new WeakMap<Publisher, Map<string, Group<R, M>>>();

  /** @param read makes the reader of a new one */
  of(publisher: Publisher, view: string, read: (channel: Channel, onEnd: () => void) => R): Group<R, M> {
    let groups = this.#groups.get(publisher);
    if (groups === undefined) this.#groups.set(publisher, groups = new Map());
    let group = groups.get(view);
    if (group === undefined) {
      const all = groups;
      group = new Group<R, M>(publisher, read, () => void all.delete(view));
      groups.set(view, group);
    }
    return group;
  }
}
