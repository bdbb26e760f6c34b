/**
 * What is said between server and gateway of watches that the gateway tells: length of the rest (32 bits, big endian),
 * kind (8 bits), number of a stream or channel (64 bits), and bytes. The gateway's side: `ffi/bin/gateway/src/fanout/`.
 */
import { concatBytes } from "@k3ts/model";

const LENGTH_BYTES = 4;
const HEAD_BYTES = 1 + 8;
/** Of what the gateway says, which is little. */
const HEARD_BYTES_MAX = 64;

/** What the server says. */
export const Say = {
  /** The stream goes on with what a channel is sent. Its bytes: the channel's number. */
  attach: 1,
  /** For all streams of a channel. */
  publish: 2,
  /** For one stream. */
  tell: 3,
  /** Of a stream: nothing follows. */
  end: 4,
  /** Of a channel: nobody is told by it any more. */
  close: 5,
} as const;

/** What the gateway says. */
export const Heard = {
  /** Its name; the first of all. */
  hello: 1,
  /** The stream is the channel's. */
  attached: 2,
  /** The stream can be sent nothing any more. */
  gone: 3,
} as const;

export interface HeardFrame {
  kind: number;
  id: number;
  bytes: Uint8Array;
}

/** What goes before so many bytes. */
export function headOf(kind: number, id: number, bytes: number): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(LENGTH_BYTES + HEAD_BYTES);
  const view = new DataView(head.buffer);
  view.setUint32(0, HEAD_BYTES + bytes);
  view.setUint8(LENGTH_BYTES, kind);
  view.setBigUint64(LENGTH_BYTES + 1, BigInt(id));
  return head;
}

export function numberBytes(number: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(number));
  return bytes;
}

/** Puts frames together again that come in pieces of any size. */
export class FrameReader {
  #rest: Uint8Array = new Uint8Array();

  /** @throws {RangeError} for what cannot be a frame */
  *read(piece: Uint8Array): Generator<HeardFrame> {
    let rest = this.#rest.length === 0 ? piece.slice() : concatBytes([this.#rest, piece]);
    for (;;) {
      if (rest.length < LENGTH_BYTES + HEAD_BYTES) break;
      const view = new DataView(rest.buffer, rest.byteOffset);
      const length = view.getUint32(0);
      if (length < HEAD_BYTES || length > HEARD_BYTES_MAX) {
        throw new RangeError(
          `Cannot hear the gateway as a frame must have ${HEAD_BYTES} to ${HEARD_BYTES_MAX} bytes: it has ${length}`,
        );
      }
      if (rest.length < LENGTH_BYTES + length) break;
      const bytes = rest.subarray(LENGTH_BYTES + HEAD_BYTES, LENGTH_BYTES + length);
      const frame = { kind: view.getUint8(LENGTH_BYTES), id: Number(view.getBigUint64(LENGTH_BYTES + 1)), bytes };
      rest = rest.subarray(LENGTH_BYTES + length);
      yield frame;
    }
    this.#rest = rest;
  }
}
