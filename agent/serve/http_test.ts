/** The agent's face over its real socket, with a shim that speaks as ours does. */
import { deepEqual as assertEquals, equal, match, ok as assert } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { concatBytes } from "@k3ts/model/objects";
import { createLog } from "@k3ts/client/telemetry";
import type { Pod } from "@k3ts/model/objects";
import { serve, type ServeParts } from "./http.ts";
import { SocketPipe } from "./pipe.ts";
import { controlFrame, dataFrame, FrameReader, FrameType, uint32s } from "./spdy/frames.ts";
import { HeaderWriter } from "./spdy/headers.ts";
import { StreamError, type Target, type Targets } from "./targets.ts";

const HEAD_BYTES = 5;

/** Says each line back, tells sizes, and exits with 7 when its input ends. `flood` writes without end. */
async function shim(listener: Deno.UnixListener, kind: "echo" | "flood", told: { written: number }): Promise<void> {
  using connection = await listener.accept();
  const send = async (stream: number, data: Uint8Array) => {
    const frame = new Uint8Array(HEAD_BYTES + data.length);
    frame[0] = stream;
    new DataView(frame.buffer).setUint32(1, data.length, true);
    frame.set(data, HEAD_BYTES);
    for (let at = 0; at < frame.length;) at += await connection.write(frame.subarray(at));
  };
  if (kind === "flood") {
    const chunk = new Uint8Array(32 * 1024);
    for (;; told.written += chunk.length) await send(1, chunk);
  }
  let kept: Uint8Array = new Uint8Array();
  const buffer = new Uint8Array(64 * 1024);
  for (let read = await connection.read(buffer); read !== null; read = await connection.read(buffer)) {
    kept = concatBytes([kept, buffer.subarray(0, read)]);
    while (kept.length >= HEAD_BYTES) {
      const length = new DataView(kept.buffer, kept.byteOffset).getUint32(1, true);
      if (kept.length < HEAD_BYTES + length) break;
      const [stream, data] = [kept[0]!, kept.slice(HEAD_BYTES, HEAD_BYTES + length)];
      kept = kept.slice(HEAD_BYTES + length);
      if (stream === 0 && length === 0) return await send(4, new Uint8Array([7, 0, 0, 0]));
      await send(stream === 3 ? 2 : 1, data);
    }
  }
}

const pod: Pod = { metadata: { name: "p", namespace: "default", uid: "u1" } } as Pod;

/** Only what streams need of an agent. */
async function agent(kind: "echo" | "flood" = "echo") {
  const directory = await Deno.makeTempDir();
  const listener = Deno.listen({ transport: "unix", path: `${directory}/attach.sock` });
  const told = { written: 0 };
  const shimming = shim(listener, kind, told).catch(() => {}); // its client may be gone
  const targets: Pick<Targets, "running" | "directoryOf" | "log" | "network"> = {
    running: ({ pod, container }: Target) => {
      if (pod !== "p") throw new StreamError(400, `container ${container} in pod ${pod} is not running`);
      return { id: "c1" } as ReturnType<Targets["running"]>;
    },
    directoryOf: () => directory,
    log: () => ({ path: `${directory}/0.log`, isLive: () => Promise.resolve(true) }),
    network: () => Promise.resolve({ pod: "p", uid: "u1", networkNamespace: "" }),
  };
  const stop = new AbortController();
  const warnings: string[] = [];
  const server = await serve({
    socket: `${directory}/agent.sock`,
    runDirectory: directory,
    shimProgram: "/bin/false",
    targets: targets as Targets,
    runtime: {} as ServeParts["runtime"],
    images: {} as ServeParts["images"],
    imagesChanged: () => {},
    pods: () => [pod],
    table: { of: () => [] },
    log: createLog((line) => warnings.push(line), () => 0, { level: "warn" }),
    now: Date.now,
    signal: stop.signal,
  });
  return {
    directory,
    told,
    warnings,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await server.finished;
      listener.close();
      await shimming;
      await Deno.remove(directory, { recursive: true });
    },
  };
}

/** @returns the socket, and the pipe once the head of the answer has been read from it */
async function ask(directory: string, head: string): Promise<{ socket: Socket; answer: string; pipe: SocketPipe }> {
  const socket = connect(`${directory}/agent.sock`);
  const pipe = new SocketPipe(socket);
  await pipe.write(Buffer.from(head.replaceAll("\n", "\r\n")));
  let text = "";
  for (let data = await pipe.read(); data !== null; data = await pipe.read()) {
    text += Buffer.from(data).toString("latin1");
    if (text.includes("\r\n\r\n")) break;
  }
  return { socket, answer: text, pipe };
}

const SPDY = "Host: a\nConnection: Upgrade\nUpgrade: SPDY/3.1\n";
const WEBSOCKET = "Host: a\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n" +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n";

Deno.test("plain pages, and refusals of what is not there", async () => {
  await using parts = await agent();
  const answerTo = async (head: string) => {
    const { socket, answer } = await ask(parts.directory, head);
    socket.destroy();
    return answer;
  };
  match(await answerTo("GET /healthz HTTP/1.1\nHost: a\n\n"), /^HTTP\/1\.1 200 [\s\S]*ok$/);
  match(await answerTo("GET /pods HTTP/1.1\nHost: a\n\n"), /"kind":"PodList"[\s\S]*"name":"p"/);
  match(await answerTo("DELETE /pods HTTP/1.1\nHost: a\n\n"), /^HTTP\/1\.1 405/);
  match(await answerTo("GET /nothing HTTP/1.1\nHost: a\n\n"), /^HTTP\/1\.1 404/);
  match(await answerTo("GET /%zz HTTP/1.1\nHost: a\n\n"), /^HTTP\/1\.1 400/);
  match(await answerTo("POST /exec/default/p/c?command=ls HTTP/1.1\nHost: a\n\n"), /Upgrade request required/);
  match(await answerTo(`GET /healthz HTTP/1.1\n${SPDY}\n`), /^HTTP\/1\.1 400[\s\S]*nothing to upgrade to/);
  match(await answerTo("GET /images HTTP/1.1\nHost: a\nk3ts-identity: x\n\n"), /^HTTP\/1\.1 404/);
  match(await answerTo("GET /containerLogs/default/p/c?tailLines=-1 HTTP/1.1\nHost: a\n\n"), /^HTTP\/1\.1 422/);
});

Deno.test("an upgrade that cannot be served gets an ordinary answer", async () => {
  await using parts = await agent();
  const cases: [RegExp, string][] = [
    [/^HTTP\/1\.1 400[\s\S]*is not running/, `POST /attach/default/other/c?stdout=1 HTTP/1.1\n${SPDY}\n`],
    [/at least 1 of stdin, stdout, stderr/, `POST /attach/default/p/c HTTP/1.1\n${SPDY}\n`],
    [/at least 1 command/, `POST /exec/default/p/c?stdout=1 HTTP/1.1\n${SPDY}\n`],
    [
      /^HTTP\/1\.1 403[\s\S]*accepted-stream-protocol-versions: v4/,
      `POST /attach/default/p/c?stdout=1 HTTP/1.1\n${SPDY}X-Stream-Protocol-Version: v9\n\n`,
    ],
    [
      /^HTTP\/1\.1 403[\s\S]*not supported: \[v9\]/,
      `GET /attach/default/p/c?stdout=1 HTTP/1.1\n${WEBSOCKET}Sec-WebSocket-Protocol: v9\n\n`,
    ],
    [
      /^HTTP\/1\.1 400[\s\S]*sec-websocket-version: 13/,
      `GET /attach/default/p/c?stdout=1 HTTP/1.1\n${WEBSOCKET.replace("13", "8")}\n`,
    ],
    [/neither/, "GET /attach/default/p/c?stdout=1 HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: h2c\n\n"],
  ];
  for (const [expected, head] of cases) {
    const { socket, answer } = await ask(parts.directory, head);
    match(answer, expected);
    socket.destroy();
  }
});

Deno.test("a command over SPDY: input, output, size, half-closed input, exit", async () => {
  await using parts = await agent();
  const { socket, answer, pipe } = await ask(
    parts.directory,
    `POST /attach/default/p/c?stdin=true&stdout=true&tty=true HTTP/1.1\n${SPDY}X-Stream-Protocol-Version: v5.channel.k8s.io\nX-Stream-Protocol-Version: v4.channel.k8s.io\n\n`,
  );
  match(answer, /^HTTP\/1\.1 101 [\s\S]*x-stream-protocol-version: v4\.channel\.k8s\.io/i);
  using headers = new HeaderWriter();
  const types = ["error", "stdin", "stdout", "resize"];
  for (const [index, type] of types.entries()) {
    const block = await headers.write(new Map([["streamtype", type]]));
    const payload = concatBytes([uint32s(2 * index + 1, 0), new Uint8Array(2), block]);
    await pipe.write(controlFrame(FrameType.synStream, payload));
  }
  await pipe.write(dataFrame(7, Buffer.from('{"Width":80,"Height":24}\n')));
  await pipe.write(dataFrame(3, Buffer.from("hello")));
  const texts = new Map<number, string>();
  const frames = new FrameReader();
  let isTold = false;
  for (let data = await pipe.read(); data !== null; data = await pipe.read()) {
    for (const frame of frames.push(data)) {
      if (frame.kind === "data") texts.set(frame.id, (texts.get(frame.id) ?? "") + Buffer.from(frame.data).toString());
    }
    if (texts.get(5) === "hello" && !isTold) {
      isTold = true;
      await pipe.write(dataFrame(3, new Uint8Array(), true));
    }
    if (texts.get(1)?.endsWith("}")) break;
  }
  socket.destroy();
  assertEquals(JSON.parse(texts.get(1)!), { metadata: {}, status: "Success" });
});

Deno.test("a command over a WebSocket, in bytes and in base64", async () => {
  for (const protocol of ["v5.channel.k8s.io", "v4.base64.channel.k8s.io"]) {
    await using parts = await agent();
    const { socket, answer, pipe } = await ask(
      parts.directory,
      `GET /attach/default/p/c?stdin=true&stdout=true HTTP/1.1\n${WEBSOCKET}Sec-WebSocket-Protocol: ${protocol}\n\n`,
    );
    match(answer, new RegExp(`sec-websocket-protocol: ${protocol.replaceAll(".", "\\.")}`, "i"));
    const isText = protocol.includes("base64");
    const payload = isText ? Buffer.from("0" + btoa("hi")) : Buffer.from("\0hi");
    await pipe.write(Buffer.concat([Buffer.from([isText ? 0x81 : 0x82, 0x80 | payload.length, 0, 0, 0, 0]), payload]));
    let text = answer.slice(answer.indexOf("\r\n\r\n") + 4);
    const echoed = isText ? "1" + btoa("hi") : "\x01hi";
    while (!text.includes(echoed)) text += Buffer.from((await pipe.read())!).toString("latin1");
    socket.destroy();
  }
});

Deno.test("a log over a WebSocket, in bytes and in base64, up to its end or the client's", async () => {
  for (const protocol of ["binary.k8s.io", "base64.binary.k8s.io"]) {
    for (const follow of [false, true]) {
      await using parts = await agent();
      await Deno.writeTextFile(`${parts.directory}/0.log`, "2026-01-01T00:00:00Z stdout F one\n");
      const { socket, answer, pipe } = await ask(
        parts.directory,
        `GET /containerLogs/default/p/c?follow=${follow} HTTP/1.1\n${WEBSOCKET}Sec-WebSocket-Protocol: ${protocol}\n\n`,
      );
      match(answer, new RegExp(`sec-websocket-protocol: ${protocol.replaceAll(".", "\\.")}\r`, "i"));
      let text = answer.slice(answer.indexOf("\r\n\r\n") + 4);
      const wanted = protocol.startsWith("base64") ? btoa("one\n") : "one\n";
      const goodbye = "\x88\x02\x03\xe8";
      while (!text.endsWith(follow ? wanted : goodbye)) text += Buffer.from((await pipe.read())!).toString("latin1");
      assert(text.includes(wanted));
      equal(text[0], protocol.startsWith("base64") ? "\x81" : "\x82");
      if (follow) {
        await pipe.write(new Uint8Array([0x88, 0x82, 0, 0, 0, 0, 3, 232]));
        equal(Buffer.from((await pipe.read())!).toString("latin1"), goodbye);
      }
      socket.destroy();
      equal(parts.warnings.length, 0);
    }
  }
});

Deno.test("a log does not become what it is not", async () => {
  await using parts = await agent();
  const asked = "GET /containerLogs/default/p/c HTTP/1.1\n";
  match((await ask(parts.directory, `${asked}${SPDY}\n`)).answer, /^HTTP\/1\.1 400/);
  const { answer } = await ask(parts.directory, `${asked}${WEBSOCKET}Sec-WebSocket-Protocol: v5.channel.k8s.io\n\n`);
  match(answer, /^HTTP\/1\.1 403/);
  const wrong = "GET /containerLogs/default/p/c?tailLines=-1 HTTP/1.1\n";
  match((await ask(parts.directory, `${wrong}${WEBSOCKET}\n`)).answer, /^HTTP\/1\.1 422/);
});

Deno.test("output that the client does not take makes the process wait, and a client that goes ends its wait", async () => {
  await using parts = await agent("flood");
  const { socket } = await ask(
    parts.directory,
    `GET /attach/default/p/c?stdout=true HTTP/1.1\n${WEBSOCKET}Sec-WebSocket-Protocol: v4.channel.k8s.io\n\n`,
  );
  socket.pause();
  let before = -1;
  while (before !== parts.told.written) {
    before = parts.told.written;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert(before < 8 * 1024 * 1024, `${before} bytes are on their way to nobody`);
  equal(parts.warnings.length, 0);
  socket.destroy();
});

Deno.test("an agent that is told to end waits for no stream", async () => {
  const parts = await agent("flood");
  const { pipe } = await ask(
    parts.directory,
    `GET /attach/default/p/c?stdout=true HTTP/1.1\n${WEBSOCKET}Sec-WebSocket-Protocol: v4.channel.k8s.io\n\n`,
  );
  const following = await ask(parts.directory, "GET /containerLogs/default/p/c?follow=true HTTP/1.1\nHost: a\n\n");
  await parts[Symbol.asyncDispose]();
  for (const one of [pipe, following.pipe]) {
    while (await one.read() !== null);
    one.destroy();
  }
});

Deno.test("who follows a log and goes leaves nothing behind", async () => {
  await using parts = await agent();
  await Deno.writeTextFile(`${parts.directory}/0.log`, "2026-01-01T00:00:00Z stdout F one\n");
  const { socket, answer, pipe } = await ask(
    parts.directory,
    "GET /containerLogs/default/p/c?follow=true HTTP/1.1\nHost: a\n\n",
  );
  let text = answer;
  while (!text.includes("one\n")) text += Buffer.from((await pipe.read())!).toString();
  socket.destroy();
  await pipe.closed;
});
