import { deepEqual, equal, rejects } from "node:assert/strict";
import { steady } from "./steady.ts";

Deno.test("a stream that goes on is read to its end", async () => {
  const stream = ReadableStream.from([new Uint8Array([1]), new Uint8Array([2, 3])]);
  deepEqual((await Array.fromAsync(steady(stream))).map((chunk) => [...chunk]), [[1], [2, 3]]);
});

Deno.test("a stream that stands still is left, and told so", async () => {
  let isLeft = false;
  const stream = new ReadableStream<Uint8Array>({
    start: (to) => to.enqueue(new Uint8Array([1])),
    pull: () => new Promise(() => {}),
    cancel: () => {
      isLeft = true;
    },
  });
  const seen: number[] = [];
  const reading = (async () => {
    for await (const chunk of steady(stream, 20)) seen.push(...chunk);
  })();
  await rejects(reading, /must make progress: none within 20 ms/);
  deepEqual(seen, [1]);
  equal(isLeft, true);
});

Deno.test("whoever has read enough ends the stream", async () => {
  let isLeft = false;
  const stream = new ReadableStream<Uint8Array>({
    pull: (to) => to.enqueue(new Uint8Array([1])),
    cancel: () => {
      isLeft = true;
    },
  });
  for await (const _ of steady(stream)) break;
  equal(isLeft, true);
});
