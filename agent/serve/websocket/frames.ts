/** Frames of a WebSocket (RFC 6455, section 5.2), as a server reads and writes them. Pure. */
import { concatBytes } from "@k3ts/model/objects";

export const Opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

const FIN = 0x80;
const RESERVED = 0x70;
const MASKED = 0x80;
const CONTROL_BYTES_MAX = 125;
/** What a client may send as one frame, or as a message of several. Kubernetes's own takes 32 MiB. */
export const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;

/** Of a frame that has not come whole. */
const PIECES_MAX = 256;

export interface WebSocketFrame {
  opcode: number;
  fin: boolean;
  payload: Uint8Array;
}

/** What the client sent is no WebSocket, or too much. `code` is what the close frame says (section 7.4.1). */
export class WebSocketError extends Error {
  override name = "WebSocketError";
  constructor(readonly code: 1002 | 1007 | 1009, message: string) {
    super(message);
  }
}

/** Cuts bytes into frames, however they come. */
export class FrameReader {
  #kept: Uint8Array[] = [];
  #size = 0;
  /** Of the frame that is being received, once that is known. */
  #wanted = 0;

  /** @throws {WebSocketError} */
  *push(bytes: Uint8Array): Generator<WebSocketFrame, void, undefined> {
    this.#kept.push(bytes);
    this.#size += bytes.length;
    // A long frame is put together seldom, not with every piece of it.
    if (this.#size < this.#wanted) {
      if (this.#kept.length >= PIECES_MAX) this.#kept = [concatBytes(this.#kept)];
      return;
    }
    let rest: Uint8Array = concatBytes(this.#kept);
    for (;;) {
      const head = parseHead(rest);
      this.#wanted = head === undefined ? 0 : head.headBytes + head.length;
      if (head === undefined || rest.length < this.#wanted) break;
      const payload = rest.slice(head.headBytes, this.#wanted);
      const mask = rest.subarray(head.headBytes - 4, head.headBytes);
      for (let at = 0; at < payload.length; at++) payload[at]! ^= mask[at & 3]!;
      rest = rest.subarray(this.#wanted);
      yield { opcode: head.opcode, fin: head.fin, payload };
    }
    this.#kept = [rest.slice()];
    this.#size = rest.length;
  }
}

/** undefined when more must come. */
function parseHead(bytes: Uint8Array): { opcode: number; fin: boolean; headBytes: number; length: number } | undefined {
  if (bytes.length < 2) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const first = view.getUint8(0);
  const opcode = first & 0x0f;
  const fin = (first & FIN) !== 0;
  const short = view.getUint8(1) & 0x7f;
  if ((first & RESERVED) !== 0) throw new WebSocketError(1002, "extensions must not be used: none was agreed");
  if ((view.getUint8(1) & MASKED) === 0) throw new WebSocketError(1002, "what a client sends must be masked");
  if (opcode > Opcode.pong || opcode > Opcode.binary && opcode < Opcode.close) {
    throw new WebSocketError(1002, `the kind of a frame must be known: it is ${opcode}`);
  }
  if (opcode >= Opcode.close && (!fin || short > CONTROL_BYTES_MAX)) {
    throw new WebSocketError(1002, `a control frame must be whole and have at most ${CONTROL_BYTES_MAX} bytes`);
  }
  const extra = short === 126 ? 2 : short === 127 ? 8 : 0;
  const headBytes = 2 + extra + 4;
  if (bytes.length < headBytes) return undefined;
  const length = extra === 0 ? short : extra === 2 ? view.getUint16(2) : Number(view.getBigUint64(2));
  if (length > MESSAGE_BYTES_MAX) {
    throw new WebSocketError(1009, `a message must have at most ${MESSAGE_BYTES_MAX} bytes: a frame has ${length}`);
  }
  return { opcode, fin, headBytes, length };
}

/** A whole message, unmasked as a server's must be. */
export function formatFrame(opcode: number, ...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const extra = length < 126 ? 0 : length < 0x10000 ? 2 : 8;
  const head = new Uint8Array(2 + extra);
  const view = new DataView(head.buffer);
  view.setUint8(0, FIN | opcode);
  view.setUint8(1, extra === 0 ? length : extra === 2 ? 126 : 127);
  if (extra === 2) view.setUint16(2, length);
  if (extra === 8) view.setBigUint64(2, BigInt(length));
  return concatBytes([head, ...parts]);
}
