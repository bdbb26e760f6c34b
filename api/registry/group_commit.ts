/**
 * Writes of many callers, made durable together.
 *
 * What is submitted while batches are under way waits and goes with the next one, so the store is asked as seldom
 * as it is slow. Writes become durable in the order of their submission.
 */
import { type Change, LIMITS, type StoreWriter } from "../store/store.ts";

export interface PendingWrite<T> {
  /** What the submitter wants back when it is durable. */
  origin: T;
  change: Change;
  /** May be lost with the machine: only if all writes of its batch may. */
  mayBeLost: boolean;
  resolve: () => void;
  reject: (reason: Error) => void;
}

export interface GroupCommitOptions {
  /** Batches under way at once. @default 2 */
  batchesInFlightMax?: number;
  /** Writes that may wait; further ones are refused. @default 8192 */
  pendingWritesMax?: number;
  /** Bytes of values that may wait; further ones are refused. @default 64 MiB */
  pendingBytesMax?: number;
}

export class GroupCommit<T> {
  readonly #writer: Pick<StoreWriter, "append">;
  /** Called in order, once a batch is durable and before its writers are told. */
  readonly #onDurable: (writes: readonly PendingWrite<T>[]) => void;
  readonly #onLost: (cause: Error) => void;
  readonly #options: Required<GroupCommitOptions>;
  #pending: PendingWrite<T>[] = [];
  #pendingBytes = 0;
  #inFlight = 0;
  #scheduled = false;
  /** Resolves when every batch before it has been handed on. */
  #applied: Promise<void> = Promise.resolve();
  #lost: Error | undefined;

  constructor(
    writer: Pick<StoreWriter, "append">,
    onDurable: (writes: readonly PendingWrite<T>[]) => void,
    onLost: (cause: Error) => void,
    options: GroupCommitOptions = {},
  ) {
    this.#writer = writer;
    this.#onDurable = onDurable;
    this.#onLost = onLost;
    this.#options = { batchesInFlightMax: 2, pendingWritesMax: 8192, pendingBytesMax: 64 * 1024 * 1024, ...options };
  }

  /** Whether one more write of this size may wait now. */
  hasRoom(bytes: number): boolean {
    return this.#pending.length < this.#options.pendingWritesMax &&
      this.#pendingBytes + bytes <= this.#options.pendingBytesMax;
  }

  /** Resolves when the write is durable and visible; rejects with what `onLost` was told. */
  submit(change: Change, mayBeLost: boolean, origin: T): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#lost !== undefined) return reject(this.#lost);
      this.#pending.push({ origin, change, mayBeLost, resolve, reject });
      this.#pendingBytes += change.value.length;
      this.#schedule();
    });
  }

  /** Resolves when everything that was submitted is durable or lost. */
  async settled(): Promise<void> {
    while (this.#inFlight > 0 || this.#pending.length > 0 || this.#scheduled) await this.#nextTurn();
  }

  async #nextTurn(): Promise<void> {
    await this.#applied;
    await Promise.resolve();
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= this.#options.batchesInFlightMax) return;
    this.#scheduled = true;
    // A microtask later, so that what is submitted in the same turn goes together.
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  #send(): void {
    if (this.#lost !== undefined || this.#pending.length === 0) return;
    const writes = this.#takeBatch();
    this.#inFlight++;
    const before = this.#applied;
    const appended = this.#writer.append({
      changes: writes.map((write) => write.change),
      ...(writes.every((write) => write.mayBeLost) && { mayBeLost: true }),
    });
    // The batches before come first even if this one's promise settles earlier.
    this.#applied = Promise.all([appended, before])
      .finally(() => this.#inFlight--)
      .then(() => this.#apply(writes))
      .catch((cause) => this.#lose(writes, cause instanceof Error ? cause : new Error(String(cause))));
  }

  #apply(writes: readonly PendingWrite<T>[]): void {
    if (this.#lost !== undefined) throw this.#lost;
    this.#onDurable(writes);
    for (const write of writes) write.resolve();
    if (this.#pending.length > 0) this.#schedule();
  }

  #lose(writes: readonly PendingWrite<T>[], cause: Error): void {
    if (this.#lost === undefined) {
      this.#lost = cause;
      this.#onLost(cause);
    }
    const all = [...writes, ...this.#pending];
    this.#pending = [];
    this.#pendingBytes = 0;
    for (const write of all) write.reject(this.#lost);
  }

  #takeBatch(): PendingWrite<T>[] {
    let count = 0;
    let bytes = 0;
    while (count < this.#pending.length && count < LIMITS.batchChangesMax) {
      const { value } = this.#pending[count]!.change;
      // Keys are counted at their greatest, which is cheaper than encoding them.
      if (count > 0 && bytes + value.length + LIMITS.keyBytesMax > LIMITS.batchBytesMax) break;
      bytes += value.length + LIMITS.keyBytesMax;
      this.#pendingBytes -= value.length;
      count++;
    }
    return this.#pending.splice(0, count);
  }
}
