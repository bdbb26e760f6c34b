import { deepEqual as assertEquals, equal, ok as assert, rejects } from "node:assert/strict";
import { concatBytes } from "@k3ts/model/objects";
import { MemoryPipe } from "../_memory_pipe.ts";
import { SpdyConnection, type SpdyStream } from "./connection.ts";
import {
  controlFrame,
  dataFrame,
  type Frame,
  FrameReader,
  FrameType,
  numbersFrame,
  uint32At,
  uint32s,
} from "./frames.ts";
import { HeaderWriter } from "./headers.ts";

/** A client that says what it is told to, as bytes. */
class Client implements Disposable {
  readonly #pipe: MemoryPipe;
  readonly #headers = new HeaderWriter();
  readonly #frames = new FrameReader();
  #seen: Frame[] = [];

  constructor(pipe: MemoryPipe) {
    this.#pipe = pipe;
  }

  async open(id: number, headers: Record<string, string> = {}, flags = 0): Promise<void> {
    const block = await this.#headers.write(new Map(Object.entries(headers)));
    const head = concatBytes([uint32s(id, 0), new Uint8Array(2), block]);
    await this.#pipe.write(controlFrame(FrameType.synStream, head, flags));
  }

  /** The next frame; undefined at the end. */
  async next(): Promise<Frame | undefined> {
    while (this.#seen.length === 0) {
      const data = await this.#pipe.read();
      if (data === null) return undefined;
      this.#seen.push(...this.#frames.push(data));
    }
    return this.#seen.shift();
  }

  /** Of control frames its type, of data its text. */
  async expect(type: number | string): Promise<Frame> {
    const frame = await this.next();
    const said = frame?.kind === "data" ? new TextDecoder().decode(frame.data) + (frame.fin ? "$" : "") : frame?.type;
    equal(said, type);
    return frame!;
  }

  [Symbol.dispose](): void {
    this.#headers[Symbol.dispose]();
  }
}

function start(onStream: (stream: SpdyStream) => void, pingMs?: number) {
  const [ours, theirs] = MemoryPipe.pair();
  const connection = new SpdyConnection(ours, { onStream, ...(pingMs !== undefined && { pingMs }) });
  const running = connection.run();
  running.catch(() => {});
  return { connection, running, pipe: theirs, client: new Client(theirs) };
}

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("a stream carries bytes both ways, and each direction ends on its own", async () => {
  const { running, pipe, client } = start(async (stream) => {
    equal(stream.headers.get("port"), "80");
    let text = "";
    for (let data = await stream.read(); data !== null; data = await stream.read()) {
      text += new TextDecoder().decode(data);
    }
    await stream.write(bytes(`heard ${text}`));
    await stream.end();
  });
  using _ = client;
  await client.open(1, { Port: "80" });
  await client.expect(FrameType.synReply);
  await pipe.write(dataFrame(1, bytes("a")));
  await pipe.write(dataFrame(1, bytes("b"), true));
  await client.expect("heard ab");
  await client.expect("$");
  pipe.destroy();
  await running;
});

Deno.test("a ping is answered, and quiet is broken by one", async () => {
  const { running, pipe, client } = start(() => {}, 20);
  using _ = client;
  await pipe.write(numbersFrame(FrameType.ping, 7));
  const seen = new Set<number>();
  while (seen.size < 3) {
    const frame = await client.next();
    assert(frame?.kind === "control" && frame.type === FrameType.ping);
    seen.add(uint32At(frame.payload, 0));
  }
  assert(seen.has(7) && seen.has(4));
  pipe.destroy();
  await running;
});

Deno.test("a reset ends a stream at once, and what comes for it later is dropped", async () => {
  const over = Promise.withResolvers<SpdyStream>();
  const { running, pipe, client } = start((stream) =>
    stream.over.addEventListener("abort", () => over.resolve(stream))
  );
  using _ = client;
  await client.open(1);
  await client.expect(FrameType.synReply);
  await pipe.write(numbersFrame(FrameType.rstStream, 1, 5));
  await pipe.write(dataFrame(1, bytes("late")));
  const stream = await over.promise;
  equal(await stream.read(), null);
  await stream.write(bytes("nobody hears"));
  await client.open(3);
  await client.expect(FrameType.synReply);
  pipe.destroy();
  await running;
});

Deno.test("whoever breaks the protocol is told to go away", async () => {
  const breaches: [RegExp, (client: Client, pipe: MemoryPipe) => Promise<void>][] = [
    [/number must be odd/, (client) => client.open(2)],
    [/more than 5: it is 3/, async (client) => {
      await client.open(5);
      await client.expect(FrameType.synReply);
      await client.open(3);
    }],
    [/must have been opened: 9 was not/, (_, pipe) => pipe.write(dataFrame(9, bytes("x")))],
    [/none is/, (_, pipe) => pipe.write(numbersFrame(FrameType.synReply, 1))],
    [/must have 4 bytes: it has 0/, (_, pipe) => pipe.write(controlFrame(FrameType.ping, new Uint8Array()))],
    [/Cannot read headers/, (_, pipe) => pipe.write(controlFrame(FrameType.synStream, new Uint8Array(30).fill(7)))],
  ];
  for (const [message, breach] of breaches) {
    const { running, pipe, client } = start(() => {});
    using _ = client;
    await breach(client, pipe);
    await client.expect(FrameType.goAway);
    await rejects(running, message);
  }
});

Deno.test("streams are bounded in number", async () => {
  const { running, pipe, client } = start(() => {});
  using _ = client;
  for (let index = 0; index < 2048; index++) {
    await client.open(2 * index + 1);
    await client.expect(FrameType.synReply);
  }
  await client.open(5001);
  await client.expect(FrameType.rstStream);
  pipe.destroy();
  await running;
});

Deno.test("what nobody reads is not taken from the client for ever", async () => {
  const opened = Promise.withResolvers<SpdyStream>();
  const { running, pipe, client } = start((stream) => opened.resolve(stream));
  using _ = client;
  await client.open(1);
  await client.expect(FrameType.synReply);
  const chunk = new Uint8Array(64 * 1024);
  let isDone = false;
  const flood = (async () => {
    for (let count = 0; count < 1000; count++) await pipe.write(dataFrame(1, chunk));
    isDone = true;
  })();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert(!isDone && pipe.bytesWritten < 4 * 1024 * 1024, `${pipe.bytesWritten} bytes were taken`);
  // And all of it arrives once somebody does.
  const stream = await opened.promise;
  let read = 0;
  while (read < 1000 * chunk.length) read += (await stream.read())!.length;
  await flood;
  pipe.destroy();
  await running;
});

Deno.test("a client that vanishes while its data waits ends everything", async () => {
  const opened = Promise.withResolvers<SpdyStream>();
  const { running, pipe, client } = start((stream) => opened.resolve(stream));
  using _ = client;
  await client.open(1);
  const stream = await opened.promise;
  const flood = (async () => {
    for (let count = 0; count < 100; count++) await pipe.write(dataFrame(1, new Uint8Array(64 * 1024)));
  })();
  await new Promise((resolve) => setTimeout(resolve, 20));
  pipe.destroy();
  await running;
  await flood.catch(() => {}); // it has vanished
  assert(stream.over.aborted);
  // Whoever still writes is not thrown at: the signal has told.
  await stream.write(bytes("x"));
});

Deno.test("a goodbye comes after all that was said", async () => {
  const { connection, running, pipe, client } = start(async (stream) => {
    await stream.write(bytes("last words"));
    await stream.end();
    await connection.close();
  });
  using _ = client;
  await client.open(1);
  const seen: unknown[] = [];
  for (let frame = await client.next(); frame !== undefined; frame = await client.next()) {
    seen.push(frame.kind === "data" ? new TextDecoder().decode(frame.data) : frame.type);
  }
  assertEquals(seen, [FrameType.synReply, "last words", "", FrameType.goAway]);
  pipe.end();
  await running;
});
