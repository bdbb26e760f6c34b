/** Frames of SPDY/3.1 (SPDY Protocol, draft 3.1, section 2.2), from bytes and to bytes. Pure. */
import { concatBytes } from "@k3ts/model/objects";

export const VERSION = 3;
export const HEAD_BYTES = 8;
/** Of a control frame. What has headers is the longest, and ours are few. */
export const CONTROL_BYTES_MAX = 16 * 1024;
export const FLAG_FIN = 1;

export const FrameType = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

/** Of RST_STREAM. */
export const ResetStatus = { protocolError: 1, invalidStream: 2, refusedStream: 3, cancel: 5 } as const;

export type Frame =
  /** A data frame may come in several pieces: `fin` stands with its last. */
  | { kind: "data"; id: number; data: Uint8Array; fin: boolean }
  | { kind: "control"; type: number; flags: number; payload: Uint8Array };

/** What the other side sent is not SPDY/3.1, or too much of it. */
export class SpdyError extends Error {
  override name = "SpdyError";
}

/** Cuts bytes into frames, however they come. Data is handed on as it comes, so that its length is no matter. */
export class FrameReader {
  #kept: Uint8Array = new Uint8Array();
  /** The rest of a data frame. */
  #data: { id: number; left: number; fin: boolean } | undefined;

  /** @throws {SpdyError} */
  *push(bytes: Uint8Array): Generator<Frame, void, undefined> {
    let rest = this.#kept.length === 0 ? bytes : concatBytes([this.#kept, bytes]);
    while (rest.length > 0) {
      if (this.#data !== undefined) {
        const { id, left, fin } = this.#data;
        const data = rest.subarray(0, left);
        rest = rest.subarray(data.length);
        const isLast = data.length === left;
        this.#data = isLast ? undefined : { id, left: left - data.length, fin };
        yield { kind: "data", id, data, fin: fin && isLast };
        continue;
      }
      if (rest.length < HEAD_BYTES) break;
      const view = new DataView(rest.buffer, rest.byteOffset, rest.length);
      const length = view.getUint32(4) & 0xffffff;
      const flags = view.getUint8(4);
      if ((view.getUint8(0) & 0x80) === 0) {
        const id = view.getUint32(0);
        rest = rest.subarray(HEAD_BYTES);
        this.#data = { id, left: length, fin: (flags & FLAG_FIN) !== 0 };
        if (length > 0) continue;
        this.#data = undefined;
        yield { kind: "data", id, data: rest.subarray(0, 0), fin: (flags & FLAG_FIN) !== 0 };
        continue;
      }
      const version = view.getUint16(0) & 0x7fff;
      if (version !== VERSION) {
        throw new SpdyError(`Cannot read a frame as its version must be ${VERSION}: it is ${version}`);
      }
      if (length > CONTROL_BYTES_MAX) {
        throw new SpdyError(
          `Cannot read a frame as it must have at most ${CONTROL_BYTES_MAX} bytes: it has ${length}`,
        );
      }
      if (rest.length < HEAD_BYTES + length) break;
      const payload = rest.subarray(HEAD_BYTES, HEAD_BYTES + length);
      rest = rest.subarray(HEAD_BYTES + length);
      yield { kind: "control", type: view.getUint16(2), flags, payload };
    }
    // A copy: what it was cut from may be large.
    this.#kept = rest.slice();
  }
}

export function dataFrame(id: number, data: Uint8Array, fin = false): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(HEAD_BYTES + data.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, id & 0x7fffffff);
  view.setUint32(4, ((fin ? FLAG_FIN : 0) << 24 | data.length) >>> 0);
  frame.set(data, HEAD_BYTES);
  return frame;
}

export function controlFrame(type: number, payload: Uint8Array, flags = 0): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(HEAD_BYTES + payload.length);
  const view = new DataView(frame.buffer);
  view.setUint16(0, 0x8000 | VERSION);
  view.setUint16(2, type);
  view.setUint32(4, (flags << 24 | payload.length) >>> 0);
  frame.set(payload, HEAD_BYTES);
  return frame;
}

/** A control frame of 32-bit numbers: RST_STREAM, PING, GOAWAY, WINDOW_UPDATE. */
export function numbersFrame(type: number, ...numbers: number[]): Uint8Array<ArrayBuffer> {
  return controlFrame(type, uint32s(...numbers));
}

export function uint32s(...numbers: number[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 * numbers.length);
  const view = new DataView(bytes.buffer);
  numbers.forEach((number, index) => view.setUint32(4 * index, number));
  return bytes;
}

/** @throws {SpdyError} when the payload is too short */
export function uint32At(payload: Uint8Array, at: number): number {
  if (payload.length < at + 4) {
    throw new SpdyError(`Cannot read a frame as it must have ${at + 4} bytes: it has ${payload.length}`);
  }
  return new DataView(payload.buffer, payload.byteOffset, payload.length).getUint32(at);
}
