/**
 * Writes of many callers, made durable together.
 *
 * What is submitted while batches are under way waits and goes with the next one, so the store is asked as seldom
 * as it is slow. Writes become durable in the order of their submission.
 *
 * A store that does not answer fills no memory and holds nobody for ever: so many writes and bytes may wait; when the
 * store has been silent for long nothing more is taken, and when for very long those who wait are told so.
 */
import type { Clock, MonotonicTime } from "@k3ts/model";
import { timedOut } from "../status.ts";
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
  /** A store that has not answered for this long is given nothing more. @default 10 s */
  silentMsMax?: number;
  /** Those who have waited for this long are told so; their writes go on. @default 60 s, as in kube-apiserver */
  answerMsMax?: number;
}

/** Who uses it. */
export interface CommitListener<T> {
  /** Called in order, once a batch is durable and before its writers are told. */
  onDurable(writes: readonly PendingWrite<T>[]): void;
  /** Called once, at the first failure: nothing is written any more. */
  onFailure(cause: Error): void;
}

export class GroupCommit<T> {
  readonly #writer: Pick<StoreWriter, "append">;
  readonly #clock: Clock;
  readonly #listener: CommitListener<T>;
  readonly #options: Required<GroupCommitOptions>;
  /** Writes of which nobody knows whether they were made, in no order. */
  readonly failed: PendingWrite<T>[] = [];
  #pending: PendingWrite<T>[] = [];
  #pendingBytes = 0;
  /** When each batch that is under way was sent, the oldest first. */
  #sentAt: MonotonicTime[] = [];
  #scheduled = false;
  /** Resolves when every batch before it has been handed on. */
  #applied: Promise<void> = Promise.resolve();
  #failure: Error | undefined;

  constructor(
    writer: Pick<StoreWriter, "append">,
    clock: Clock,
    listener: CommitListener<T>,
    options: GroupCommitOptions = {},
  ) {
    this.#writer = writer;
    this.#clock = clock;
    this.#listener = listener;
    this.#options = {
      batchesInFlightMax: 2,
      pendingWritesMax: 8192,
      pendingBytesMax: 64 * 1024 * 1024,
      silentMsMax: 10_000,
      answerMsMax: 60_000,
      ...options,
    };
  }

  /** Whether one more write of this size may wait now. */
  hasRoom(bytes: number): boolean {
    const oldest = this.#sentAt[0];
    return this.#pending.length < this.#options.pendingWritesMax &&
      this.#pendingBytes + bytes <= this.#options.pendingBytesMax &&
      (oldest === undefined || this.#clock.monotonic() - oldest <= this.#options.silentMsMax);
  }

  /** Resolves when the write is durable and visible; rejects with what `onFailure` was told, or when it takes too long. */
  submit(change: Change, mayBeLost: boolean, origin: T): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      this.#pending.push({ origin, change, mayBeLost, resolve, reject });
      this.#pendingBytes += change.value.length;
      this.#schedule();
    });
  }

  /** Resolves when everything that was submitted is durable or failed. */
  async settled(): Promise<void> {
    while (this.#sentAt.length > 0 || this.#pending.length > 0 || this.#scheduled) await this.#nextTurn();
  }

  async #nextTurn(): Promise<void> {
    await this.#applied;
    await Promise.resolve();
  }

  #schedule(): void {
    if (this.#scheduled || this.#sentAt.length >= this.#options.batchesInFlightMax) return;
    this.#scheduled = true;
    // A microtask later, so that what is submitted in the same turn goes together.
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  #send(): void {
    if (this.#failure !== undefined || this.#pending.length === 0) return;
    const writes = this.#takeBatch();
    this.#sentAt.push(this.#clock.monotonic());
    const callOff = this.#clock.after(this.#options.answerMsMax, () => this.#tellTooSlow(writes));
    const before = this.#applied;
    const appended = this.#writer.append({
      changes: writes.map((write) => write.change),
      ...(writes.every((write) => write.mayBeLost) && { mayBeLost: true }),
    });
    appended.catch(() => {}); // looked at when the batches before have been handed on
    this.#applied = before
      .then(() => appended)
      .finally(() => {
        callOff();
        this.#sentAt.shift();
      })
      .then(() => this.#apply(writes))
      .catch((cause) => this.#fail(writes, cause instanceof Error ? cause : new Error(String(cause))));
  }

  #apply(writes: readonly PendingWrite<T>[]): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#listener.onDurable(writes);
    for (const write of writes) write.resolve();
    if (this.#pending.length > 0) this.#schedule();
  }

  #fail(writes: readonly PendingWrite<T>[], cause: Error): void {
    const isFirst = this.#failure === undefined;
    const failure = this.#failure ??= cause;
    const all = [...writes, ...this.#pending];
    this.#pending = [];
    this.#pendingBytes = 0;
    this.failed.push(...all);
    for (const write of all) write.reject(failure);
    if (isFirst) this.#listener.onFailure(failure);
  }

  #tellTooSlow(writes: readonly PendingWrite<T>[]): void {
    const seconds = Math.round(this.#options.answerMsMax / 1000);
    const error = timedOut(`the store has not answered for ${seconds} s, and whether this write is made is unknown`);
    for (const write of [...writes, ...this.#pending]) write.reject(error);
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
