/** A connection as bytes both ways, whatever carries it. */
import type { Duplex } from "node:stream";

export interface Pipe {
  /** The next bytes; null when the other side sends no more, or is gone. One reads at a time. */
  read(): Promise<Uint8Array | null>;
  /** Resolves once the other side keeps up. @throws when it is gone */
  write(data: Uint8Array): Promise<void>;
  /** Nothing more is written; what was goes out first. */
  end(): void;
  /** Ends both directions now. */
  destroy(): void;
  /** Resolves when it is gone, for whatever reason. */
  readonly closed: Promise<void>;
}

/** A connection that was upgraded: of `node:http`, or anything like it. */
export class SocketPipe implements Pipe {
  readonly closed: Promise<void>;
  readonly #socket: Duplex;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();
  #drained: PromiseWithResolvers<void> | undefined;
  #isOver = false;

  /** @param head what was read together with the request's head */
  constructor(socket: Duplex, head: Uint8Array = new Uint8Array()) {
    this.#socket = socket;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    const wake = () => {
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    };
    const drained = () => {
      this.#drained?.resolve();
      this.#drained = undefined;
    };
    const over = () => {
      this.#isOver = true;
      wake();
    };
    socket.on("readable", wake);
    socket.on("end", over);
    // A peer that is gone is no fault of ours; without a listener the process would end.
    socket.on("error", over);
    socket.on("drain", drained);
    socket.on("close", () => {
      over();
      drained();
      resolve();
    });
    if (head.length > 0) socket.unshift(head);
  }

  async read(): Promise<Uint8Array | null> {
    for (;;) {
      const woken = this.#wake.promise;
      const data = this.#socket.read() as Uint8Array | null;
      if (data !== null) return data;
      if (this.#isOver || this.#socket.destroyed) return null;
      await woken;
    }
  }

  async write(data: Uint8Array): Promise<void> {
    if (!this.#socket.writable) throw new Error("Cannot write as the other side must be there: it is gone");
    if (this.#socket.write(data)) return;
    this.#drained ??= Promise.withResolvers();
    await this.#drained.promise;
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
