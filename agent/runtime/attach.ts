/** The standard streams of a process, over its shim's attach socket. */
import { HEADER_BYTES, type Output, OutputReader, Stream } from "./attach_frames.ts";

export type { Output };

export class Attachment implements Disposable {
  readonly #connection: Deno.Conn;
  /** Writes in order: a frame is never torn by another. */
  #writing: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  static async connect(socket: string): Promise<Attachment> {
    return new Attachment(await Deno.connect({ transport: "unix", path: socket }));
  }

  /** Resolves when it is written: how a slow process slows its client. Nothing more may follow the empty one. */
  write(data: Uint8Array): Promise<void> {
    return this.#send(Stream.stdin, data);
  }

  end(): Promise<void> {
    return this.#send(Stream.stdin, new Uint8Array());
  }

  /** Says that the input of the process is this side's to give, and so to end (core/v1 stdinOnce). */
  takeInput(): Promise<void> {
    return this.#send(Stream.takeInput, new Uint8Array());
  }

  resize(columns: number, rows: number): Promise<void> {
    const data = new Uint8Array(4);
    const view = new DataView(data.buffer);
    view.setUint16(0, Math.min(columns, 0xffff), true);
    view.setUint16(2, Math.min(rows, 0xffff), true);
    return this.#send(Stream.resize, data);
  }

  /** What the process writes, until it has ended. Ends without an exit when the shim goes. */
  async *output(): AsyncGenerator<Output, void, undefined> {
    const reader = new OutputReader();
    for (;;) {
      const read = await this.#connection.read(reader.room).catch((error) => {
        if (this.#closed) return null;
        throw error;
      });
      if (read === null) return;
      for (const output of reader.take(read)) {
        yield output;
        if (output.stream === "exit") return;
      }
    }
  }

  #send(stream: number, data: Uint8Array): Promise<void> {
    const frame = new Uint8Array(HEADER_BYTES + data.length);
    const view = new DataView(frame.buffer);
    view.setUint8(0, stream);
    view.setUint32(1, data.length, true);
    frame.set(data, HEADER_BYTES);
    this.#writing = this.#writing.then(async () => {
      for (let at = 0; at < frame.length;) at += await this.#connection.write(frame.subarray(at));
    });
    return this.#writing;
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    // What is still being written fails, and that is wanted.
    this.#writing.catch(() => {});
    this.#connection.close();
  }
}
