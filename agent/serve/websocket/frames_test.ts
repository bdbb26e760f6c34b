import { deepEqual as assertEquals, equal, rejects, throws } from "node:assert/strict";
import fc from "fast-check";
import { concatBytes } from "@k3ts/model/objects";
import { MemoryPipe } from "../_memory_pipe.ts";
import { acceptOf, type Message, WebSocketConnection } from "./connection.ts";
import { formatFrame, FrameReader, MESSAGE_BYTES_MAX, Opcode, WebSocketError } from "./frames.ts";

/** A frame as a client sends it. */
function masked(opcode: number, payload: Uint8Array, options: { fin?: boolean; mask?: number[] } = {}): Uint8Array {
  const { fin = true, mask = [1, 2, 3, 4] } = options;
  const plain = formatFrame(opcode, payload);
  const headBytes = plain.length - payload.length;
  const head = plain.slice(0, headBytes);
  head[0] = (fin ? 0x80 : 0) | opcode;
  head[1]! |= 0x80;
  return concatBytes([head, new Uint8Array(mask), payload.map((byte, index) => byte ^ mask[index & 3]!)]);
}

Deno.test("frames are found and unmasked however they were cut", () => {
  const frame = fc.record({
    opcode: fc.constantFrom(Opcode.text, Opcode.binary, Opcode.continuation),
    fin: fc.boolean(),
    payload: fc.oneof(fc.uint8Array({ maxLength: 130 }), fc.constantFrom(new Uint8Array(70_000).fill(7))),
    mask: fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 4, maxLength: 4 }),
  });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 5 }), fc.integer({ min: 1, max: 5000 }), (frames, size) => {
      const bytes = concatBytes(frames.map((one) => masked(one.opcode, one.payload, one)));
      const reader = new FrameReader();
      const seen = [];
      for (let at = 0; at < bytes.length; at += size) seen.push(...reader.push(bytes.slice(at, at + size)));
      assertEquals(
        seen.map(({ opcode, fin, payload }) => ({ opcode, fin, payload })),
        frames.map(({ opcode, fin, payload }) => ({ opcode, fin, payload })),
      );
    }),
    { numRuns: 60 },
  );
});

Deno.test("random bytes are refused or waited for", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 10 }), (chunks) => {
    const reader = new FrameReader();
    try {
      for (const chunk of chunks) for (const _ of reader.push(chunk));
    } catch (error) {
      if (!(error instanceof WebSocketError)) throw error;
    }
  }));
});

Deno.test("what breaks RFC 6455 is refused", () => {
  const read = (bytes: Uint8Array) => () => [...new FrameReader().push(bytes)];
  throws(read(formatFrame(Opcode.binary, new Uint8Array(3))), /must be masked/);
  throws(read(new Uint8Array([0xc2, 0x80])), /extensions/);
  throws(read(new Uint8Array([0x83, 0x80])), /kind of a frame/);
  throws(read(new Uint8Array([0x09, 0x80])), /control frame must be whole/);
  throws(read(new Uint8Array([0x89, 0xfe, 0, 200, 0, 0, 0, 0])), /control frame/);
  const huge = new Uint8Array(14);
  huge.set([0x82, 0xff]);
  new DataView(huge.buffer).setBigUint64(2, BigInt(MESSAGE_BYTES_MAX + 1));
  throws(read(huge), { code: 1009 });
});

Deno.test("the answer to the key is the one of RFC 6455", () => {
  equal(acceptOf("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
});

function connect() {
  const [ours, theirs] = MemoryPipe.pair();
  const socket = new WebSocketConnection(ours);
  const messages: Message[] = [];
  const reading = (async () => {
    for await (const message of socket.messages()) messages.push(message);
  })();
  reading.catch(() => {});
  return { socket, theirs, messages, reading };
}

Deno.test("a message may come in frames, with a ping in between", async () => {
  const { theirs, messages, reading } = connect();
  await theirs.write(masked(Opcode.binary, new Uint8Array([1]), { fin: false }));
  await theirs.write(masked(Opcode.ping, new Uint8Array([9])));
  await theirs.write(masked(Opcode.continuation, new Uint8Array([2])));
  assertEquals([...(await theirs.read())!], [0x8a, 1, 9]);
  await theirs.write(masked(Opcode.close, new Uint8Array([0x03, 0xe8])));
  assertEquals([...(await theirs.read())!], [0x88, 2, 0x03, 0xe8]);
  theirs.destroy();
  await reading;
  assertEquals(messages.map(({ isText, data }) => [isText, ...data]), [[false, 1, 2]]);
});

Deno.test("whoever mixes messages, or sends one without end, is told why the connection ends", async () => {
  const mixed = connect();
  await mixed.theirs.write(masked(Opcode.binary, new Uint8Array([1]), { fin: false }));
  await mixed.theirs.write(masked(Opcode.binary, new Uint8Array([2])));
  await rejects(mixed.reading, /must not be mixed/);
  assertEquals([...(await mixed.theirs.read())!.subarray(2, 4)], [0x03, 0xea]);
  mixed.theirs.destroy();
  const endless = connect();
  const flood = (async () => {
    await endless.theirs.write(masked(Opcode.binary, new Uint8Array(1), { fin: false }));
    for (;;) await endless.theirs.write(masked(Opcode.continuation, new Uint8Array(60_000), { fin: false }));
  })();
  await rejects(endless.reading, { code: 1009 });
  endless.theirs.destroy();
  await rejects(flood);
});
