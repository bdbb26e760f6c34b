/**
 * Frames as bytes: u32 length of what follows, u8 type, u32 call id, payload; integers little-endian. What the frames
 * mean is written in `k3ts/v1/frame.proto`.
 */

export const FrameType = { start: 1, message: 2, end: 3, credit: 4, cancel: 5 } as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

export interface Frame {
  type: FrameType;
  /** Odd for calls of the side that dialled, even for those of the other. */
  callId: number;
  payload: Uint8Array;
}

/** Most bytes that may follow a frame's length. */
export const FRAME_BYTES_MAX = 16 * 1024 * 1024;
const HEAD_BYTES = 9;
/** Most bytes that the payload of one frame may have. */
export const PAYLOAD_BYTES_MAX = FRAME_BYTES_MAX - 5;

/** What came in is no frame. Nothing that follows on the same channel can be trusted. */
export class FrameFormatError extends Error {
  override name = "FrameFormatError";
}

export function encodeFrame(frame: Frame): Uint8Array {
  return encodeFrames([frame]);
}

/** Several frames in one piece of memory, as {@link FrameChannel} takes them. */
export function encodeFrames(frames: readonly Frame[]): Uint8Array {
  const bytes = new Uint8Array(frames.reduce((sum, frame) => sum + HEAD_BYTES + frame.payload.length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const { type, callId, payload } of frames) {
    if (payload.length > PAYLOAD_BYTES_MAX) {
      throw new FrameFormatError(
        `Cannot encode frame as its payload must have at most ${PAYLOAD_BYTES_MAX} bytes: it has ${payload.length}`,
      );
    }
    view.setUint32(at, payload.length + 5, true);
    view.setUint8(at + 4, type);
    view.setUint32(at + 5, callId, true);
    bytes.set(payload, at + HEAD_BYTES);
    at += HEAD_BYTES + payload.length;
  }
  return bytes;
}

/** How many bytes a frame takes on its way. */
export function frameBytes(frame: Frame): number {
  return HEAD_BYTES + frame.payload.length;
}

/**
 * Takes bytes in pieces of any size and gives back the frames that are complete. Payloads are views into the pieces
 * where a piece holds the whole frame, so pieces must not be written to afterwards.
 */
export class FrameDecoder {
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  /** Bytes that must be there before decoding can go on. */
  #needed = 4;

  /** @throws {FrameFormatError} and is of no use from then on */
  push(piece: Uint8Array): Frame[] {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    return this.#bytes < this.#needed ? [] : this.#decode(this.#joined());
  }

  /** @throws {FrameFormatError} when the bytes ended inside a frame */
  end(): void {
    if (this.#bytes > 0) {
      throw new FrameFormatError(`Cannot decode frame as ${this.#needed} bytes must follow: ${this.#bytes} came`);
    }
  }

  #decode(bytes: Uint8Array): Frame[] {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const frames: Frame[] = [];
    let at = 0;
    for (this.#needed = 4; bytes.length - at >= this.#needed;) {
      const length = view.getUint32(at, true);
      if (length < 5 || length > FRAME_BYTES_MAX) {
        throw new FrameFormatError(
          `Cannot decode frame as its length must be 5 to ${FRAME_BYTES_MAX} bytes: it is ${length}`,
        );
      }
      this.#needed = 4 + length;
      if (bytes.length - at < this.#needed) break;
      frames.push({
        type: frameType(view.getUint8(at + 4)),
        callId: view.getUint32(at + 5, true),
        payload: bytes.subarray(at + HEAD_BYTES, at + this.#needed),
      });
      at += this.#needed;
      this.#needed = 4;
    }
    this.#pieces = at < bytes.length ? [bytes.subarray(at)] : [];
    this.#bytes = bytes.length - at;
    return frames;
  }

  #joined(): Uint8Array {
    if (this.#pieces.length === 1) return this.#pieces[0]!;
    const joined = new Uint8Array(this.#bytes);
    let at = 0;
    for (const piece of this.#pieces) {
      joined.set(piece, at);
      at += piece.length;
    }
    return joined;
  }
}

function frameType(value: number): FrameType {
  if (value >= FrameType.start && value <= FrameType.cancel) return value as FrameType;
  throw new FrameFormatError(`Cannot decode frame as its type must be 1 to 5: it is ${value}`);
}
