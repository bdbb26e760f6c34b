/**
 * The store that lives as long as its process: tests, and clusters that are meant to be forgotten.
 *
 * Data belongs to the {@link MemoryStore}, not to a writer, so a test may "restart" a server by opening
 * a second writer on the same store.
 */
import { refuseIfOutOfBounds } from "./bounds.ts";
import {
  type Batch,
  type Change,
  type ClusterId,
  type Entry,
  Expired,
  Fenced,
  type Revision,
  type Store,
  type StoreReader,
  type StoreWriter,
  type WriterId,
} from "./store.ts";

/** Entries of one page of `load`. */
const PAGE_ENTRIES = 1024;
/** Changes of one step of `changes`. */
const STEP_CHANGES = 1024;

/** What all readers and writers of one store share. */
interface Contents {
  cluster: ClusterId;
  epoch: number;
  writer?: WriterId;
  entries: Map<string, Entry>;
  history: Change[];
  revision: Revision;
  /** History begins here: every change from this revision on is kept. */
  historyBegin: Revision;
}

export class MemoryStore implements Store {
  readonly #contents: Contents = {
    cluster: crypto.randomUUID(),
    epoch: 0,
    entries: new Map(),
    history: [],
    revision: 0,
    historyBegin: 1,
  };

  // deno-lint-ignore require-await -- a refusal must be a rejection
  async openReader(signal: AbortSignal): Promise<StoreReader> {
    signal.throwIfAborted();
    return new MemoryReader(this.#contents);
  }

  // deno-lint-ignore require-await -- a refusal must be a rejection
  async openWriter(who: WriterId, signal: AbortSignal): Promise<StoreWriter> {
    signal.throwIfAborted();
    this.#contents.epoch++;
    this.#contents.writer = who;
    return new MemoryWriter(this.#contents);
  }
}

class MemoryReader implements StoreReader {
  constructor(protected readonly contents: Contents) {}

  get cluster(): ClusterId {
    return this.contents.cluster;
  }

  async *load(): AsyncIterable<{ entries: Entry[]; revision: Revision }> {
    // Taken at once, so that every page is of one revision whatever is written meanwhile.
    const revision = this.contents.revision;
    const entries = [...this.contents.entries.values()].sort((a, b) => compareKeys(a.key, b.key));
    yield { entries: entries.slice(0, PAGE_ENTRIES), revision };
    for (let from = PAGE_ENTRIES; from < entries.length; from += PAGE_ENTRIES) {
      yield { entries: entries.slice(from, from + PAGE_ENTRIES), revision };
    }
  }

  async *changes(after: Revision): AsyncIterable<Change[]> {
    if (after < this.contents.historyBegin - 1) throw new Expired(after, this.contents.historyBegin);
    // Revisions follow each other, so a revision is an index.
    const rest = this.contents.history.slice(Math.max(0, after - this.contents.historyBegin + 1));
    for (let from = 0; from < rest.length; from += STEP_CHANGES) yield rest.slice(from, from + STEP_CHANGES);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

class MemoryWriter extends MemoryReader implements StoreWriter {
  readonly epoch: number;

  constructor(contents: Contents) {
    super(contents);
    this.epoch = contents.epoch;
  }

  // deno-lint-ignore require-await -- a refusal must be a rejection
  async append({ changes }: Batch): Promise<void> {
    this.#refuseIfFenced();
    refuseIfOutOfBounds(changes, this.contents.revision);
    for (const change of changes) {
      const { key, value, revision } = change;
      if (change.type === "delete") this.contents.entries.delete(key);
      else {
        const expiry = change.expiresAt === undefined ? {} : { expiresAt: change.expiresAt };
        this.contents.entries.set(key, { key, value, revision, ...expiry });
      }
      this.contents.history.push(change);
      this.contents.revision = revision;
    }
  }

  // deno-lint-ignore require-await -- a refusal must be a rejection
  async compact(before: Revision): Promise<void> {
    this.#refuseIfFenced();
    const begin = Math.min(before, this.contents.revision + 1);
    if (begin <= this.contents.historyBegin) return;
    this.contents.history.splice(0, begin - this.contents.historyBegin);
    this.contents.historyBegin = begin;
  }

  #refuseIfFenced(): void {
    if (this.epoch === this.contents.epoch) return;
    throw new Fenced(
      `Cannot write to the store as its writer must be the last to open it: ` +
        `"${this.contents.writer?.name}" has opened it since`,
    );
  }
}

/** By UTF-16 code units; keys are ASCII but for names in tests, and every backend orders ASCII alike. */
function compareKeys(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
