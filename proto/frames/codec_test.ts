import { deepEqual as assertEquals, doesNotThrow, equal, throws } from "node:assert/strict";
import fc from "fast-check";
import {
  encodeFrame,
  encodeFrames,
  type Frame,
  FRAME_BYTES_MAX,
  FrameDecoder,
  FrameFormatError,
  FrameType,
} from "./codec.ts";

Deno.test("a frame is its length, type, call and payload, little-endian", () => {
  const bytes = encodeFrame({ type: FrameType.message, callId: 0x0102, payload: new Uint8Array([9, 8]) });
  assertEquals([...bytes], [7, 0, 0, 0, 2, 2, 1, 0, 0, 9, 8]);
});

Deno.test("frames come back as they were, wherever their bytes are cut", () => {
  fc.assert(fc.property(fc.array(arbitraryFrame()), fc.array(fc.nat(300)), (frames, sizes) => {
    const decoder = new FrameDecoder();
    const decoded = cut(encodeFrames(frames), sizes).flatMap((piece) => decoder.push(piece));
    assertEquals(decoded.map(plain), frames.map(plain));
    doesNotThrow(() => decoder.end());
  }));
});

Deno.test("whatever bytes come, they are decoded or refused, never taken for more than they are", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(20)), (bytes, sizes) => {
    const decoder = new FrameDecoder();
    try {
      const frames = cut(bytes, sizes).flatMap((piece) => decoder.push(piece));
      const taken = encodeFrames(frames);
      assertEquals(taken, new Uint8Array(bytes.subarray(0, taken.length)));
    } catch (error) {
      if (!(error instanceof FrameFormatError)) throw error;
    }
  }));
});

Deno.test("a frame that announces more than 16 MiB is refused before it has come", () => {
  const head = new Uint8Array(4);
  new DataView(head.buffer).setUint32(0, FRAME_BYTES_MAX + 1, true);
  throws(() => new FrameDecoder().push(head), FrameFormatError);
});

Deno.test("the largest frame is 16 MiB", () => {
  const largest = { type: FrameType.message, callId: 1, payload: new Uint8Array(FRAME_BYTES_MAX - 5) };
  equal(new FrameDecoder().push(encodeFrame(largest)).length, 1);
  throws(() => encodeFrame({ ...largest, payload: new Uint8Array(FRAME_BYTES_MAX - 4) }), FrameFormatError);
});

Deno.test("bytes that end inside a frame are an error", () => {
  const decoder = new FrameDecoder();
  decoder.push(encodeFrame({ type: FrameType.cancel, callId: 1, payload: new Uint8Array() }).subarray(0, 8));
  throws(() => decoder.end(), FrameFormatError);
});

function arbitraryFrame(): fc.Arbitrary<Frame> {
  return fc.record({
    type: fc.constantFrom(...Object.values(FrameType)),
    callId: fc.nat(0xffff_ffff),
    payload: fc.uint8Array({ maxLength: 500 }),
  });
}

/** Pieces of the given sizes, the rest as one. */
function cut(bytes: Uint8Array, sizes: number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const size of [...sizes, bytes.length]) {
    pieces.push(bytes.subarray(at, at + size));
    at = Math.min(bytes.length, at + size);
  }
  return pieces;
}

function plain({ type, callId, payload }: Frame) {
  return { type, callId, payload: [...payload] };
}
