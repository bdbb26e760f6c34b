/** What a shim writes on its attach socket: frames of u8 stream, u32 length (little-endian), data (see `runtime.proto`). */
import { concatBytes } from "@k3ts/model/objects";

export const Stream = { stdin: 0, stdout: 1, stderr: 2, resize: 3, exit: 4, takeInput: 5 } as const;
export const HEADER_BYTES = 5;

export type Output = { stream: "stdout" | "stderr"; data: Uint8Array<ArrayBuffer> } | { stream: "exit"; code: number };

/** The shim never sends more at once. */
const FRAME_BYTES_MAX = 1024 * 1024;
/** Most processes write little; where a read fills the buffer, the next one is larger. */
const BUFFER_BYTES_FIRST = 8 * 1024;
const BUFFER_BYTES_MAX = 128 * 1024;
/** Of frames that came together. Whoever encodes such a message takes a power of two for it and the little around it. */
const TOGETHER_BYTES_MAX = BUFFER_BYTES_MAX - 64;

/** Cuts what is read into frames, however it comes, and puts together what came at once: each piece costs a message. */
export class OutputReader {
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(BUFFER_BYTES_FIRST);
  #filled = 0;

  /** Where to read to; never empty. */
  get room(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(this.#filled);
  }

  /**
   * @param read how many bytes have been read to where there was room
   * @returns nothing after an exit
   * @throws when a frame is too long
   */
  take(read: number): Output[] {
    this.#filled += read;
    const buffer = this.#buffer;
    const outputs: Output[] = [];
    const together = new Together(outputs);
    const view = new DataView(buffer.buffer);
    let at = 0;
    let wanted = 0;
    while (this.#filled - at >= HEADER_BYTES) {
      const length = view.getUint32(at + 1, true);
      if (length > FRAME_BYTES_MAX) {
        throw new Error(
          `Cannot read from a shim as a frame must have at most ${FRAME_BYTES_MAX} bytes: it has ${length}`,
        );
      }
      wanted = HEADER_BYTES + length;
      if (this.#filled - at < wanted) break;
      const stream = view.getUint8(at);
      const data = buffer.subarray(at + HEADER_BYTES, at + wanted);
      at += wanted;
      if (stream === Stream.stdout) together.add("stdout", data);
      else if (stream === Stream.stderr) together.add("stderr", data);
      else if (stream === Stream.exit) {
        together.end();
        outputs.push({ stream: "exit", code: new DataView(data.buffer, data.byteOffset).getInt32(0, true) });
        return outputs;
      }
    }
    together.end();
    const isFull = this.#filled === buffer.length;
    const length = Math.max(wanted, isFull ? Math.min(2 * buffer.length, BUFFER_BYTES_MAX) : 0);
    if (length > buffer.length) this.#buffer = new Uint8Array(length);
    this.#buffer.set(buffer.subarray(at, this.#filled));
    this.#filled -= at;
    return outputs;
  }
}

/** Copies of pieces that follow each other on one stream. */
class Together {
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #stream: "stdout" | "stderr" = "stdout";

  constructor(readonly outputs: Output[]) {}

  add(stream: "stdout" | "stderr", data: Uint8Array): void {
    if (stream !== this.#stream || this.#bytes + data.length > TOGETHER_BYTES_MAX) this.end();
    this.#stream = stream;
    this.#parts.push(data);
    this.#bytes += data.length;
  }

  end(): void {
    if (this.#bytes > 0) this.outputs.push({ stream: this.#stream, data: concatBytes(this.#parts) });
    this.#parts = [];
    this.#bytes = 0;
  }
}
