/**
 * The standard streams of a process, over its shim's attach socket: frames of u8 stream, u32 length (little-endian),
 * data (see `runtime.proto`).
 */
import { concatBytes } from "@k3ts/model/objects";

const Stream = { stdin: 0, stdout: 1, stderr: 2, resize: 3, exit: 4, takeInput: 5 } as const;

export type Output = { stream: "stdout" | "stderr"; data: Uint8Array } | { stream: "exit"; code: number };

/** The shim never sends more at once. */
const FRAME_BYTES_MAX = 1024 * 1024;
const HEADER_BYTES = 5;

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
    let kept: Uint8Array = new Uint8Array();
    const buffer = new Uint8Array(64 * 1024);
    for (;;) {
      const read = await this.#connection.read(buffer).catch((error) => {
        if (this.#closed) return null;
        throw error;
      });
      if (read === null) return;
      const all = kept.length === 0 ? buffer.subarray(0, read) : concatBytes([kept, buffer.subarray(0, read)]);
      let at = 0;
      while (all.length - at >= HEADER_BYTES) {
        const view = new DataView(all.buffer, all.byteOffset + at);
        const length = view.getUint32(1, true);
        if (length > FRAME_BYTES_MAX) {
          throw new Error(
            `Cannot read from a shim as a frame must have at most ${FRAME_BYTES_MAX} bytes: it has ${length}`,
          );
        }
        if (all.length - at < HEADER_BYTES + length) break;
        const data = all.slice(at + HEADER_BYTES, at + HEADER_BYTES + length);
        at += HEADER_BYTES + length;
        const stream = view.getUint8(0);
        if (stream === Stream.stdout) yield { stream: "stdout", data };
        else if (stream === Stream.stderr) yield { stream: "stderr", data };
        else if (stream === Stream.exit) {
          yield { stream: "exit", code: new DataView(data.buffer).getInt32(0, true) };
          return;
        }
      }
      kept = all.slice(at);
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
