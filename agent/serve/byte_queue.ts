/** Bytes on their way from whoever receives them to whoever wants them, counted so that the receiver can stop. */

/** What several queues may hold together. */
export class Budget {
  #used = 0;
  #waiting: PromiseWithResolvers<void> | undefined;

  constructor(readonly bytesMax: number) {}

  get used(): number {
    return this.#used;
  }

  add(bytes: number): void {
    this.#used += bytes;
  }

  free(bytes: number): void {
    this.#used -= bytes;
    if (this.#used < this.bytesMax) this.release();
  }

  /** Resolves once there is room, or {@linkcode release} is called. */
  async room(): Promise<void> {
    if (this.#used < this.bytesMax) return;
    this.#waiting ??= Promise.withResolvers();
    await this.#waiting.promise;
  }

  /** Lets whoever waits go on in any case: there is nothing to wait for any more. */
  release(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}

/** What a chunk costs beside its bytes, so that many small ones are bounded too. */
const CHUNK_BYTES = 64;

/** One reads; any number may write. */
export class ByteQueue {
  readonly #budget: Budget;
  #chunks: Uint8Array[] = [];
  #ended = false;
  #discards = false;
  #wake: PromiseWithResolvers<void> | undefined;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  push(data: Uint8Array): void {
    if (this.#discards || this.#ended || data.length === 0) return;
    this.#chunks.push(data);
    this.#budget.add(data.length + CHUNK_BYTES);
    this.#wakeUp();
  }

  /** No more will come. */
  end(): void {
    this.#ended = true;
    this.#wakeUp();
  }

  /** Nobody wants what is there and what comes. */
  discard(): void {
    this.#discards = true;
    this.#budget.free(this.#chunks.reduce((sum, chunk) => sum + chunk.length + CHUNK_BYTES, 0));
    this.#chunks = [];
    this.end();
  }

  /** The next bytes; null at the end. */
  async read(): Promise<Uint8Array | null> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#budget.free(chunk.length + CHUNK_BYTES);
        return chunk;
      }
      if (this.#ended) return null;
      this.#wake ??= Promise.withResolvers();
      await this.#wake.promise;
    }
  }

  #wakeUp(): void {
    this.#wake?.resolve();
    this.#wake = undefined;
  }
}
