/** Batches that are written together: while one commit is under way, the next one gathers. */
import type { Engine, Operation } from "@k3ts/ffi";

/** Most bytes of a commit that more than one batch shares. */
const COMMIT_BYTES_MAX = 8 * 1024 * 1024;
/** Batches that may wait. Whoever appends awaits its batch, so that more is a fault, which ends the writer. */
const WAITING_MAX = 65_536;

interface Waiting extends PromiseWithResolvers<void> {
  operations: Operation[];
  bytes: number;
}

/**
 * Carries batches out in the order of the calls, one commit at a time. After a failure nobody knows what was written:
 * that batch and all after it fail with the same error.
 */
export class GroupCommit {
  #waiting: Waiting[] = [];
  #committing: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;

  /** @param describe turns what the engine says into what callers are told */
  constructor(readonly engine: Pick<Engine, "append">, readonly describe: (error: unknown) => unknown) {}

  /** Throws what ended it, if something has. */
  refuseAfterFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }

  /** Resolves when the operations are durable, all of them. */
  async add(operations: Operation[]): Promise<void> {
    this.refuseAfterFailure();
    const waiting = { operations, bytes: bytesOf(operations), ...Promise.withResolvers<void>() };
    this.#waiting.push(waiting);
    if (this.#waiting.length > WAITING_MAX) {
      this.#fail(new Error(`Cannot append as at most ${WAITING_MAX} batches may wait: ${this.#waiting.length} do`));
    }
    this.#committing ??= this.#commit();
    await waiting.promise;
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await this.#committing;
  }

  async #commit(): Promise<void> {
    // Whatever is appended in this turn of the event loop is written together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group = this.#take();
      try {
        await this.engine.append(group.flatMap(({ operations }) => operations));
        for (const { resolve } of group) resolve();
      } catch (error) {
        this.#fail(this.describe(error), group);
      }
    }
    this.#committing = undefined;
  }

  #take(): Waiting[] {
    let count = 0;
    let bytes = 0;
    while (count < this.#waiting.length && (count === 0 || bytes + this.#waiting[count]!.bytes <= COMMIT_BYTES_MAX)) {
      bytes += this.#waiting[count++]!.bytes;
    }
    return this.#waiting.splice(0, count);
  }

  #fail(error: unknown, group: Waiting[] = []): void {
    this.#failure ??= { error };
    for (const { reject } of [...group, ...this.#waiting.splice(0)]) reject(this.#failure.error);
  }
}

function bytesOf(operations: Operation[]): number {
  return operations.reduce((sum, operation) => sum + (operation.do === "put" ? operation.value.length : 0), 0);
}
