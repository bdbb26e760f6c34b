/** Two ends of a connection in memory, for tests. */
import type { Pipe } from "./pipe.ts";

export class MemoryPipe implements Pipe {
  readonly closed: Promise<void>;
  #queue: Uint8Array[] = [];
  #wake = Promise.withResolvers<void>();
  #hasEnded = false;
  #close: () => void;
  other!: MemoryPipe;
  bytesWritten = 0;
  isClosed = false;

  private constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#close = resolve;
  }

  static pair(): [MemoryPipe, MemoryPipe] {
    const [one, two] = [new MemoryPipe(), new MemoryPipe()];
    [one.other, two.other] = [two, one];
    return [one, two];
  }

  async read(): Promise<Uint8Array | null> {
    for (;;) {
      const data = this.#queue.shift();
      if (data !== undefined) {
        this.other.#stir();
        return data;
      }
      if (this.#hasEnded || this.isClosed) return null;
      await this.#wake.promise;
    }
  }

  /** Takes as much as a socket would, and then waits for the other side. */
  async write(data: Uint8Array): Promise<void> {
    if (this.isClosed) throw new Error("Cannot write as the other side must be there: it is gone");
    this.bytesWritten += data.length;
    this.other.#queue.push(data.slice());
    this.other.#stir();
    while (this.other.#queue.length > 16 && !this.isClosed) await this.#wake.promise;
  }

  end(): void {
    this.other.#hasEnded = true;
    this.other.#stir();
    if (this.#hasEnded) this.destroy();
  }

  destroy(): void {
    for (const one of [this, this.other]) {
      one.isClosed = true;
      one.#close();
      one.#stir();
    }
  }

  #stir(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}
