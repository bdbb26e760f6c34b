/** A store whose disk a test can fill, break, slow down or silence. */
import type { Batch, Change, Entry, Revision, Store, StoreReader, StoreWriter, WriterId } from "../store/store.ts";

export class FaultyStore implements Store {
  /** What every append and every opening ends with, from now on. */
  fault: Error | undefined;
  /** Whether what fails has been written all the same. */
  writesThough = false;
  /** Awaited by every append before anything else. */
  delay: (() => Promise<void>) | undefined;
  /** Appends that were asked for. */
  appends = 0;

  constructor(readonly inner: Store) {}

  openReader(signal: AbortSignal): Promise<StoreReader> {
    return this.inner.openReader(signal);
  }

  async openWriter(who: WriterId, signal: AbortSignal): Promise<StoreWriter> {
    if (this.fault !== undefined) throw this.fault;
    return new FaultyWriter(this, await this.inner.openWriter(who, signal));
  }
}

class FaultyWriter implements StoreWriter {
  #failure: Error | undefined;

  constructor(readonly store: FaultyStore, readonly inner: StoreWriter) {}

  get cluster(): string {
    return this.inner.cluster;
  }

  get epoch(): number {
    return this.inner.epoch;
  }

  load(): AsyncIterable<{ entries: Entry[]; revision: Revision }> {
    return this.inner.load();
  }

  changes(after: Revision): AsyncIterable<Change[]> {
    return this.inner.changes(after);
  }

  async append(batch: Batch): Promise<void> {
    this.store.appends++;
    await this.store.delay?.();
    // As real ones: after a failure a writer takes nothing more, whatever becomes of its disk.
    if (this.#failure !== undefined) throw this.#failure;
    this.#failure = this.store.fault;
    if (this.#failure === undefined || this.store.writesThough) await this.inner.append(batch);
    if (this.#failure !== undefined) throw this.#failure;
  }

  compact(before: Revision): Promise<void> {
    return this.inner.compact(before);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.inner[Symbol.asyncDispose]();
  }
}
