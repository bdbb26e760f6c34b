import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { concatBytes } from "@k3ts/model/objects";
import { type Output, OutputReader, Stream } from "./attach_frames.ts";

function frame(stream: number, data: Uint8Array): Uint8Array {
  const head = new Uint8Array(5);
  head[0] = stream;
  new DataView(head.buffer).setUint32(1, data.length, true);
  return concatBytes([head, data]);
}

/** Reads as from a socket, at most so many bytes at a time. */
function read(bytes: Uint8Array, atOnce: number, reader = new OutputReader()): Output[] {
  const outputs: Output[] = [];
  for (let at = 0; at < bytes.length;) {
    const piece = bytes.subarray(at, at + Math.min(atOnce, reader.room.length));
    ok(piece.length > 0);
    reader.room.set(piece);
    outputs.push(...reader.take(piece.length));
    at += piece.length;
  }
  return outputs;
}

Deno.test("whatever is written arrives in order, however it was cut", () => {
  const stream = fc.constantFrom("stdout" as const, "stderr" as const);
  const data = fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.integer({ min: 0, max: 300_000 }).map((length) => new Uint8Array(length).fill(length)),
  );
  fc.assert(
    fc.property(
      fc.array(fc.record({ stream, data }), { maxLength: 8 }),
      fc.integer({ min: 1, max: 200_000 }),
      (written, atOnce) => {
        // Byte by byte only what is short.
        const total = written.reduce((sum, { data }) => sum + data.length, 0);
        const frames = written.map(({ stream, data }) => frame(Stream[stream], data));
        const outputs = read(concatBytes(frames), Math.max(atOnce, Math.ceil(total / 1_000)));
        // What follows each other on one stream is one text, in whatever pieces.
        const joined = (pieces: { stream: string; data: Uint8Array }[]) => {
          const runs: { stream: string; parts: Uint8Array[] }[] = [];
          for (const { stream, data } of pieces) {
            if (data.length === 0) continue;
            if (runs.at(-1)?.stream !== stream) runs.push({ stream, parts: [] });
            runs.at(-1)!.parts.push(data);
          }
          return runs.map(({ stream, parts }) => ({ stream, data: concatBytes(parts) }));
        };
        deepEqual(joined(outputs as { stream: string; data: Uint8Array }[]), joined(written));
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("what came at once is one piece, what was read later cannot change it", () => {
  const reader = new OutputReader();
  const line = (text: string) => frame(Stream.stdout, new TextEncoder().encode(text));
  const [first, ...others] = read(concatBytes([line("a\n"), line("b\n")]), 1_000, reader);
  deepEqual(others, []);
  read(line("ccccccc\n"), 1_000, reader);
  deepEqual(first, { stream: "stdout", data: new TextEncoder().encode("a\nb\n") });
});

Deno.test("an exit is the last, after all that was written", () => {
  const code = new Uint8Array(4);
  new DataView(code.buffer).setInt32(0, -7, true);
  const bytes = concatBytes([frame(Stream.stderr, new Uint8Array([1])), frame(Stream.exit, code)]);
  deepEqual(read(bytes, 3), [{ stream: "stderr", data: new Uint8Array([1]) }, { stream: "exit", code: -7 }]);
});

Deno.test("a frame that is too long is refused before it is read", () => {
  const head = new Uint8Array([Stream.stdout, 0xff, 0xff, 0xff, 0xff]);
  throws(() => read(head, 5), /must have at most 1048576 bytes: it has 4294967295$/);
  equal(read(frame(Stream.stdout, new Uint8Array(1024 * 1024)), 1 << 20).length, 1);
});
