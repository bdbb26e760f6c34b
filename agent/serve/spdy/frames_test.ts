import { deepEqual as assertEquals, equal, rejects, throws } from "node:assert/strict";
import fc from "fast-check";
import { concatBytes } from "@k3ts/model/objects";
import { DICTIONARY } from "./dictionary.ts";
import { CONTROL_BYTES_MAX, controlFrame, dataFrame, type Frame, FrameReader, SpdyError } from "./frames.ts";
import { formatHeaders, HeaderReader, HeaderWriter, parseHeaders } from "./headers.ts";

const frame = fc.oneof(
  fc.record({
    kind: fc.constant("data" as const),
    id: fc.integer({ min: 0, max: 0x7fffffff }),
    data: fc.uint8Array({ maxLength: 300 }),
    fin: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("control" as const),
    type: fc.integer({ min: 0, max: 0xffff }),
    flags: fc.integer({ min: 0, max: 255 }),
    payload: fc.uint8Array({ maxLength: 300 }),
  }),
);

/** Pieces of one data frame as one. */
function joined(frames: Iterable<Frame>): Frame[] {
  const all: Frame[] = [];
  let open: (Frame & { kind: "data" }) | undefined;
  for (const one of frames) {
    if (one.kind === "data" && open !== undefined && open.id === one.id) {
      open.data = concatBytes([open.data, one.data]);
      open.fin = one.fin;
    } else all.push(one.kind === "data" ? open = { ...one } : one);
    if (one.kind === "control") open = undefined;
  }
  return all;
}

Deno.test("frames are found however they were cut", () => {
  fc.assert(fc.property(fc.array(frame), fc.integer({ min: 1, max: 50 }), (frames, size) => {
    // Data of one stream is a stream of bytes: whether it came as one frame or two is no matter.
    const distinct = frames.map((one, index) => one.kind === "data" ? { ...one, id: index + 1 } : one);
    const bytes = concatBytes(
      distinct.map((one) =>
        one.kind === "data" ? dataFrame(one.id, one.data, one.fin) : controlFrame(one.type, one.payload, one.flags)
      ),
    );
    const reader = new FrameReader();
    const seen: Frame[] = [];
    for (let at = 0; at < bytes.length; at += size) seen.push(...reader.push(bytes.slice(at, at + size)));
    const plain = (frames: Frame[]) =>
      frames.map((one) =>
        one.kind === "data" ? { ...one, data: [...one.data] } : { ...one, payload: [...one.payload] }
      );
    assertEquals(plain(joined(seen)), plain(distinct));
  }));
});

Deno.test("random bytes are refused or read, and never kept without bound", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (chunks) => {
    const reader = new FrameReader();
    try {
      for (const chunk of chunks) for (const _ of reader.push(chunk));
    } catch (error) {
      if (!(error instanceof SpdyError)) throw error;
    }
  }));
});

Deno.test("a control frame that is too long, or of another version, is refused from its head on", () => {
  const long = controlFrame(1, new Uint8Array()).slice();
  new DataView(long.buffer).setUint32(4, CONTROL_BYTES_MAX + 1);
  throws(() => [...new FrameReader().push(long)], /at most 16384 bytes/);
  throws(() => [...new FrameReader().push(new Uint8Array([0x80, 2, 0, 1, 0, 0, 0, 0]))], /version must be 3: it is 2/);
});

Deno.test("the dictionary is the one of the specification", () => {
  equal(DICTIONARY.length, 1423);
  const hash = DICTIONARY.reduce((sum, byte) => [(sum[0]! + byte) % 65521, (sum[1]! + sum[0]! + byte) % 65521], [1, 0]);
  // Its Adler-32, which every zlib stream that uses it names.
  equal((hash[1]! * 65536 + hash[0]!).toString(16), "e3c6a7c2");
});

Deno.test("headers come back as they were, block after block", async () => {
  using writer = new HeaderWriter();
  using reader = new HeaderReader();
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(fc.string({ minLength: 1 }).map((name) => name.toLowerCase()), fc.string()),
      async (headers) => {
        const map = new Map(Object.entries(headers));
        assertEquals(await reader.read(await writer.write(map)), map);
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("a header block that is cut, lies about its lengths, or is no zlib is refused", async () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (block) => {
    try {
      parseHeaders(block);
    } catch (error) {
      if (!(error instanceof SpdyError)) throw error;
    }
  }));
  throws(() => parseHeaders(formatHeaders(new Map([["a", "b"]])).subarray(0, 10)), SpdyError);
  using reader = new HeaderReader();
  await rejects(reader.read(new Uint8Array([1, 2, 3, 4, 255])), SpdyError);
  // Its stream is broken for ever.
  await rejects(reader.read(new Uint8Array([0])), SpdyError);
});

Deno.test("a small block that unpacks to much is refused", async () => {
  using writer = new HeaderWriter();
  using reader = new HeaderReader();
  const bomb = await writer.write(new Map([["a", "x".repeat(1_000_000)]]));
  equal(bomb.length < CONTROL_BYTES_MAX, true);
  await rejects(reader.read(bomb), SpdyError);
});
