import { deepEqual as assertEquals, equal, match, ok as assert, rejects } from "node:assert/strict";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { EchoService, FrameEndSchema, FrameStartSchema } from "../mod.ts";
import { type FrameChannel, streamChannel } from "./channel.ts";
import { encodeFrames, type Frame, FrameDecoder, FrameType } from "./codec.ts";
import { connectFrames, type FrameConnection, type FrameConnectionOptions } from "./connection.ts";
import { CALLS_MAX, CREDIT_START, decodeCredit, encodeCredit } from "./limits.ts";
import type { Routes } from "./router.ts";

Deno.test("both sides call each other over one connection at once", async () => {
  await using pair = connect({ routes: greet("dialer") }, { routes: greet("listener") });
  const [dialer, listener] = [echoOf(pair.dialer), echoOf(pair.listener)];
  const answers = await Promise.all(
    [1, 2, 3].flatMap((n) => [dialer.say({ text: `${n}` }), listener.say({ text: `${n}` })]),
  );
  assertEquals(answers.map(({ text }) => text), [1, 2, 3].flatMap((n) => [`listener ${n}`, `dialer ${n}`]));
});

Deno.test("an implementation calls back over the connection that it was called on", async () => {
  const back = Promise.withResolvers<FrameConnection>();
  const routes: Routes = (router) =>
    router.service(EchoService, { say: async ({ text }) => await echoOf(await back.promise).say({ text }) });
  await using pair = connect({ routes: greet("dialer") }, { routes });
  back.resolve(pair.listener);
  equal((await echoOf(pair.dialer).say({ text: "hi" })).text, "dialer hi");
});

Deno.test("an error crosses with its causes and metadata", async () => {
  await using pair = connect({}, {
    routes: (router) =>
      router.service(EchoService, {
        say() {
          const cause = new Error("middle", { cause: new Error("root") });
          throw new ConnectError("outer", Code.DataLoss, { "x-hint": "retry" }, undefined, cause);
        },
      }),
  });
  const error = await failureOf(echoOf(pair.dialer).say({}));
  equal(error.code, Code.DataLoss);
  equal(error.rawMessage, "outer");
  equal(error.metadata.get("x-hint"), "retry");
  assert(error.cause instanceof Error && error.cause.cause instanceof Error);
  assertEquals([error.cause.message, error.cause.cause.message], ["middle", "root"]);
});

Deno.test("an error that is none of Connect arrives as Internal, with its message", async () => {
  await using pair = connect({}, {
    routes: (router) =>
      router.service(EchoService, {
        say() {
          throw new RangeError("out of cheese");
        },
      }),
  });
  const error = await failureOf(echoOf(pair.dialer).say({}));
  assertEquals([error.code, error.rawMessage], [Code.Internal, "out of cheese"]);
});

Deno.test("headers and trailers of a response arrive", async () => {
  await using pair = connect({}, {
    routes: (router) =>
      router.service(EchoService, {
        say(_, context) {
          context.responseHeader.set("x-head", "a");
          context.responseTrailer.set("x-tail", "b");
          return {};
        },
      }),
  });
  let heard: (string | null)[] = [];
  await echoOf(pair.dialer).say({}, { onTrailer: (trailer) => heard = [trailer.get("x-head"), trailer.get("x-tail")] });
  assertEquals(heard, ["a", "b"]);
});

Deno.test("what is not served is Unimplemented", async () => {
  await using pair = connect({}, {});
  equal((await failureOf(echoOf(pair.dialer).say({}))).code, Code.Unimplemented);
});

Deno.test("a request that is larger than a frame fails alone", async () => {
  await using pair = connect({}, { routes: greet("listener") });
  const echo = echoOf(pair.dialer);
  equal((await failureOf(echo.say({ data: new Uint8Array(16 * 1024 * 1024) }))).code, Code.ResourceExhausted);
  equal((await echo.say({ text: "still here" })).text, "listener still here");
});

Deno.test("a response that is larger than a frame fails alone", async () => {
  await using pair = connect({}, {
    routes: (router) => router.service(EchoService, { say: ({ text }) => ({ data: new Uint8Array(Number(text)) }) }),
  });
  const echo = echoOf(pair.dialer);
  equal((await failureOf(echo.say({ text: `${16 * 1024 * 1024}` }))).code, Code.ResourceExhausted);
  equal((await echo.say({ text: "1" })).data.length, 1);
});

Deno.test("calls beyond the limit are refused, and possible again once others have ended", async () => {
  await using pair = connect({}, { routes: hang() });
  const echo = echoOf(pair.dialer);
  const abort = new AbortController();
  const open = Array.from({ length: CALLS_MAX }, () => failureOf(echo.say({ text: "hang" }, { signal: abort.signal })));
  equal((await failureOf(echo.say({}))).code, Code.ResourceExhausted);
  abort.abort();
  await Promise.all(open);
  while (await echo.say({ text: "now" }).then(() => false, () => true));
});

Deno.test("a callee refuses more calls than it may run, whatever the caller thinks", async () => {
  const peer = rawPeer({ side: "listener", routes: hang() });
  const ids = Array.from({ length: CALLS_MAX + 1 }, (_, index) => 2 * index + 1);
  peer.send(ids.flatMap((callId) => call(callId, "Say")));
  const end = await peer.next();
  equal(end.type, FrameType.end);
  equal(end.callId, ids.at(-1));
  await peer.close();
});

Deno.test("a stream stops at its credit and goes on with more", async () => {
  let made = 0;
  const routes: Routes = (router) =>
    router.service(EchoService, {
      async *repeat() {
        for (;;) yield { index: made++ };
      },
    });
  const peer = rawPeer({ side: "listener", routes });
  peer.send(call(1, "Repeat"));
  for (let index = 0; index < CREDIT_START; index++) equal((await peer.next()).type, FrameType.message);
  equal(made, CREDIT_START);
  peer.send([{ type: FrameType.credit, callId: 1, payload: encodeCredit(3) }]);
  for (let index = 0; index < 3; index++) equal((await peer.next()).type, FrameType.message);
  equal(made, CREDIT_START + 3);
  peer.send([{ type: FrameType.cancel, callId: 1, payload: new Uint8Array() }]);
  equal((await peer.next()).type, FrameType.end);
  await peer.close();
});

Deno.test("a caller grants credit as messages are taken, and cancels when it is told to", async () => {
  const peer = rawPeer({ side: "dialer" });
  const abort = new AbortController();
  const messages = echoOf(peer.connection).repeat({}, { signal: abort.signal })[Symbol.asyncIterator]();
  const first = messages.next();
  const start = await peer.next();
  await peer.next();
  const message = { type: FrameType.message, callId: start.callId, payload: new Uint8Array() };
  peer.send(Array(CREDIT_START).fill(message));
  await first;
  for (let taken = 1; taken < CREDIT_START / 2; taken++) await messages.next();
  const credit = await peer.next();
  assertEquals([credit.type, decodeCredit(credit.payload)], [FrameType.credit, CREDIT_START / 2]);
  abort.abort();
  equal((await peer.next()).type, FrameType.cancel);
  await peer.close();
});

Deno.test("a peer that breaks the protocol loses the connection", async () => {
  const wrongs: Frame[][] = [
    [{ type: FrameType.end, callId: 2, payload: new Uint8Array() }],
    [{ type: FrameType.message, callId: 1, payload: new Uint8Array() }],
    call(1, "Say"),
    [...call(2, "Say"), ...call(2, "Say")],
    [{ type: FrameType.start, callId: 2, payload: new Uint8Array([0xff]) }],
  ];
  for (const frames of wrongs) {
    const peer = rawPeer({ side: "dialer", routes: hang() });
    peer.send(frames);
    const reason = await peer.connection.closed;
    equal(reason.code, Code.Unavailable);
    assert(reason.cause instanceof Error);
    await peer.close();
  }
});

Deno.test("a message without credit loses the connection, so that a caller's memory is bounded", async () => {
  const peer = rawPeer({ side: "dialer" });
  const failed = failureOf((async () => {
    const messages = echoOf(peer.connection).repeat({})[Symbol.asyncIterator]();
    await messages.next();
    await peer.connection.closed;
    while (!(await messages.next()).done);
  })());
  const { callId } = await peer.next();
  peer.send(Array(2 * CREDIT_START).fill({ type: FrameType.message, callId, payload: new Uint8Array() }));
  match(String((await peer.connection.closed).cause), /must have credit/);
  equal((await failed).code, Code.Unavailable);
  await peer.close();
});

Deno.test("an end with a code that nobody knows is Unknown", async () => {
  const peer = rawPeer({ side: "dialer" });
  const failed = failureOf(echoOf(peer.connection).say({}));
  const { callId } = await peer.next();
  const end = create(FrameEndSchema, { code: 77, message: "?" });
  peer.send([{ type: FrameType.end, callId, payload: toBinary(FrameEndSchema, end) }]);
  equal((await failed).code, Code.Unknown);
  await peer.close();
});

Deno.test("closing aborts what runs, tells the callers, and says so once", async () => {
  const seen = Promise.withResolvers<unknown>();
  const pair = connect({}, {
    routes: (router) =>
      router.service(EchoService, {
        say: (_, context) => {
          const never = Promise.withResolvers<never>();
          context.signal.addEventListener("abort", () => seen.resolve(context.signal.reason));
          return never.promise;
        },
      }),
  });
  const failed = failureOf(echoOf(pair.dialer).say({}));
  await pair.flush();
  await Promise.all([pair.listener.close(), pair.listener.close()]);
  equal((await failed).code, Code.Unavailable);
  equal(ConnectError.from(await seen.promise).code, Code.Unavailable);
  await pair[Symbol.asyncDispose]();
});

Deno.test("closing does not wait for a peer that reads nothing", async () => {
  const stuck = Promise.withResolvers<void>();
  const incoming = new TransformStream<Uint8Array, Uint8Array>();
  const channel: FrameChannel = {
    send: () => stuck.promise,
    received: incoming.readable,
    close: () => incoming.writable.close().catch(() => {}),
  };
  const connection = connectFrames(channel, { side: "dialer" });
  const failed = failureOf(echoOf(connection).say({}));
  await connection.close();
  equal((await failed).code, Code.Unavailable);
});

function echoOf({ transport }: { transport: FrameConnection["transport"] }) {
  return createClient(EchoService, transport);
}

function greet(name: string): Routes {
  return (router) => router.service(EchoService, { say: ({ text }) => ({ text: `${name} ${text}` }) });
}

/** Answers, unless told to hang until the call is cancelled. */
function hang(): Routes {
  return (router) =>
    router.service(EchoService, {
      say: async ({ text }, { signal }) => {
        if (text === "now") return {};
        const aborted = Promise.withResolvers<never>();
        signal.addEventListener("abort", () => aborted.reject(signal.reason));
        return await aborted.promise;
      },
    });
}

function channels(): [FrameChannel, FrameChannel] {
  const [there, back] = [new TransformStream<Uint8Array, Uint8Array>(), new TransformStream<Uint8Array, Uint8Array>()];
  return [
    streamChannel({ readable: back.readable, writable: there.writable }),
    streamChannel({ readable: there.readable, writable: back.writable }),
  ];
}

function connect(dialing: Partial<FrameConnectionOptions>, listening: Partial<FrameConnectionOptions>) {
  const [one, other] = channels();
  const dialer = connectFrames(one, { ...dialing, side: "dialer" });
  const listener = connectFrames(other, { ...listening, side: "listener" });
  return {
    dialer,
    listener,
    /** What was sent before has arrived. */
    flush: () => echoOf(dialer).observe({}).catch(() => {}),
    [Symbol.asyncDispose]: async () => void await Promise.all([dialer.close(), listener.close()]),
  };
}

/** A peer that says exactly what it is told to. */
function rawPeer(options: FrameConnectionOptions) {
  const [near, far] = channels();
  const connection = connectFrames(near, options);
  const frames = (async function* () {
    const decoder = new FrameDecoder();
    for await (const piece of far.received) yield* decoder.push(piece);
  })();
  return {
    connection,
    send: (sent: Frame[]) => void far.send(encodeFrames(sent)).catch(() => {}),
    async next(): Promise<Frame> {
      const next = await frames.next();
      if (next.done) throw new Error("the connection has ended");
      return next.value;
    },
    close: async () => void await Promise.all([connection.close(), far.close()]),
  };
}

function call(callId: number, method: string): Frame[] {
  const start = create(FrameStartSchema, { method: `k3ts.v1.EchoService/${method}` });
  return [
    { type: FrameType.start, callId, payload: toBinary(FrameStartSchema, start) },
    { type: FrameType.message, callId, payload: new Uint8Array() },
  ];
}

async function failureOf(running: Promise<unknown>): Promise<ConnectError> {
  let failure: unknown;
  await rejects(running, (error) => (failure = error) instanceof ConnectError);
  return ConnectError.from(failure);
}
