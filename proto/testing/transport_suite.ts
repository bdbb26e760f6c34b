/** What every transport must do: run by whoever makes one, against an echo service on its other side. */
import { deepEqual as assertEquals, equal, ok as assert, rejects } from "node:assert/strict";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { EchoDetailSchema, EchoService, type ObserveResponse } from "../mod.ts";
import { ECHO_KEY } from "./echo_service.ts";

export interface OpenTransport {
  transport: Transport;
  close(): Promise<void> | void;
}

export interface TransportSuiteOptions {
  /** Whether it carries streams from the client; else such calls must be refused as Unimplemented. */
  clientStreaming: boolean;
  /** Most messages of 64 KiB that a producer may be ahead of a consumer that has stopped. @default 17 */
  aheadMax?: number;
  /** Kills the other side, without a farewell. @default nothing is tested of it */
  vanish?: (opened: OpenTransport) => Promise<void> | void;
}

/** A machine under load included. */
const OBSERVED_WITHIN_MS = 20_000;

type Echo = Client<typeof EchoService>;
type Test = (echo: Echo, key: string, opened: OpenTransport) => Promise<void>;

/** Registers tests of the names `<name>: …`, each with a transport of its own. */
export function transportSuite(name: string, open: () => Promise<OpenTransport>, options: TransportSuiteOptions): void {
  const tests: Record<string, Test> = {
    ...UNARY,
    ...STREAMS,
    ...(options.clientStreaming ? CLIENT_STREAMS : NO_CLIENT_STREAMS),
    "a producer waits for a slow consumer": (echo, key) => slowConsumer(echo, key, options.aheadMax ?? 17),
    ...(options.vanish && {
      "calls fail as Unavailable when the other side vanishes": (echo, _key, opened) =>
        vanishing(echo, () => options.vanish?.(opened)),
    }),
  };
  for (const [title, test] of Object.entries(tests)) {
    Deno.test(`${name}: ${title}`, async () => {
      const opened = await open();
      try {
        await test(createClient(EchoService, opened.transport), crypto.randomUUID(), opened);
      } finally {
        await opened.close();
      }
    });
  }
}

const UNARY: Record<string, Test> = {
  "a call is answered": async (echo) => {
    const data = crypto.getRandomValues(new Uint8Array(1000));
    const { text, data: back } = await echo.say({ text: "grüß dich 🐻", data });
    equal(text, "grüß dich 🐻");
    assertEquals(new Uint8Array(back), data);
  },

  "metadata reaches the implementation": async (echo, key) => {
    await echo.say({}, { headers: { [ECHO_KEY]: key } });
    equal((await echo.observe({ key })).started, 1);
  },

  "an error has its code, message and details": async (echo) => {
    const error = await failureOf(echo.say({ text: "no such thing: é", failCode: Code.NotFound }));
    equal(error.code, Code.NotFound);
    equal(error.rawMessage, "no such thing: é");
    equal(error.findDetails(EchoDetailSchema)[0]?.text, "no such thing: é");
  },

  "a deadline ends a call and its implementation": async (echo, key) => {
    // The other side may still be starting, and a call whose deadline passes before that is never started.
    await echo.say({});
    const error = await failureOf(echo.say({ delayMs: 60_000 }, { timeoutMs: 100, headers: { [ECHO_KEY]: key } }));
    equal(error.code, Code.DeadlineExceeded);
    await until(echo, key, ({ started, cancelled }) => cancelled === started);
  },

  "the implementation sees that a call is cancelled": async (echo, key) => {
    const abort = new AbortController();
    const failed = failureOf(echo.say({ delayMs: 60_000 }, { signal: abort.signal, headers: { [ECHO_KEY]: key } }));
    await until(echo, key, ({ started }) => started === 1);
    abort.abort();
    equal((await failed).code, Code.Canceled);
    await until(echo, key, ({ cancelled }) => cancelled === 1);
  },

  "a call that is cancelled beforehand fails": async (echo) => {
    equal((await failureOf(echo.say({ delayMs: 60_000 }, { signal: AbortSignal.abort() }))).code, Code.Canceled);
  },

  "a message of 8 MB goes both ways": async (echo) => {
    const data = new Uint8Array(8_000_000).map((_, index) => index % 251);
    const { data: back } = await echo.say({ data });
    equal(back.length, data.length);
    assert(back.every((byte, index) => byte === index % 251));
  },

  "200 calls at once get each its own answer": async (echo) => {
    const texts = Array.from({ length: 200 }, (_, index) => `call ${index}`);
    const answers = await Promise.all(texts.map((text, index) => echo.say({ text, delayMs: index % 7 })));
    assertEquals(answers.map(({ text }) => text), texts);
  },
};

const STREAMS: Record<string, Test> = {
  "a stream of many messages arrives whole and in order": async (echo) => {
    let expected = 0;
    for await (const { index, data } of echo.repeat({ times: 10_000, sizeBytes: 100 })) {
      equal(index, expected++);
      equal(data.length, 100);
    }
    equal(expected, 10_000);
  },

  "a stream of large messages arrives whole": async (echo) => {
    let bytes = 0;
    for await (const { data } of echo.repeat({ times: 8, sizeBytes: 4_000_000 })) bytes += data.length;
    equal(bytes, 32_000_000);
  },

  "a stream may be empty": async (echo) => {
    for await (const { index } of echo.repeat({ times: 0 })) throw new Error(`message ${index} of an empty stream`);
  },

  "an error comes after the messages before it": async (echo) => {
    let count = 0;
    const error = await failureOf((async () => {
      for await (const _ of echo.repeat({ times: 10, failAfter: 3 })) count++;
    })());
    equal(count, 3);
    equal(error.code, Code.Aborted);
    equal(error.findDetails(EchoDetailSchema)[0]?.text, "failed after 3");
  },

  "a deadline ends a stream": async (echo, key) => {
    await echo.say({});
    const options = { timeoutMs: 200, headers: { [ECHO_KEY]: key } };
    const error = await failureOf((async () => {
      for await (const _ of echo.repeat({ times: 1000, delayMs: 20 }, options));
    })());
    equal(error.code, Code.DeadlineExceeded);
    await until(echo, key, ({ started, cancelled }) => cancelled === started);
  },

  "the implementation sees that a stream is cancelled": async (echo, key) => {
    const abort = new AbortController();
    const options = { signal: abort.signal, headers: { [ECHO_KEY]: key } };
    const error = await failureOf((async () => {
      for await (const { index } of echo.repeat({ times: 100_000, delayMs: 5 }, options)) {
        if (index === 2) abort.abort();
      }
    })());
    equal(error.code, Code.Canceled);
    await until(echo, key, ({ cancelled }) => cancelled === 1);
  },
};

const CLIENT_STREAMS: Record<string, Test> = {
  "messages from the client are gathered": async (echo) => {
    const { sum, count } = await echo.gather(numbers(1000));
    equal(sum, 499_500n);
    equal(count, 1000);
  },

  "a conversation goes to and fro": async (echo) => {
    const said: string[] = [];
    const heard = Promise.withResolvers<string>();
    const talk = async function* () {
      yield { text: "first" };
      // Not before the answer to the first has come: both directions are open at once.
      yield { text: `second, after ${await heard.promise}` };
    };
    for await (const { text } of echo.converse(talk())) {
      said.push(text);
      heard.resolve(text);
    }
    assertEquals(said, ["first", "second, after first"]);
  },
};

const NO_CLIENT_STREAMS: Record<string, Test> = {
  "a stream from the client is refused": async (echo) => {
    equal((await failureOf(echo.gather(numbers(1)))).code, Code.Unimplemented);
  },
};

async function slowConsumer(echo: Echo, key: string, aheadMax: number): Promise<void> {
  const abort = new AbortController();
  const times = 4 * aheadMax;
  const options = { signal: abort.signal, headers: { [ECHO_KEY]: key } };
  const messages = echo.repeat({ times, sizeBytes: 64 * 1024 }, options)[Symbol.asyncIterator]();
  await messages.next();
  const { produced } = await settled(echo, key);
  assert(produced <= 1 + aheadMax, `the producer is ${produced - 1} messages ahead, at most ${aheadMax} are allowed`);
  let taken = 1;
  while (!(await messages.next()).done) taken++;
  equal(taken, times);
  abort.abort();
}

async function vanishing(echo: Echo, vanish: () => Promise<void> | void): Promise<void> {
  const calls = [echo.say({ delayMs: 60_000 }), echo.say({ delayMs: 60_000 })].map(failureOf);
  const messages = echo.repeat({ times: 100_000, delayMs: 1 })[Symbol.asyncIterator]();
  await messages.next();
  await vanish();
  const streamed = failureOf((async () => {
    while (!(await messages.next()).done);
  })());
  for (const call of [...calls, streamed]) equal((await call).code, Code.Unavailable);
  equal((await failureOf(echo.say({}))).code, Code.Unavailable);
}

async function* numbers(count: number) {
  for (let number = 0; number < count; number++) yield { number };
}

async function failureOf(call: Promise<unknown>): Promise<ConnectError> {
  let failure: unknown;
  await rejects(call, (error) => {
    failure = error;
    return error instanceof ConnectError;
  });
  if (failure instanceof ConnectError) return failure;
  throw new TypeError("not reached: rejects has seen a ConnectError");
}

async function until(echo: Echo, key: string, condition: (seen: ObserveResponse) => boolean): Promise<void> {
  const deadline = performance.now() + OBSERVED_WITHIN_MS;
  for (let seen = await echo.observe({ key }); !condition(seen); seen = await echo.observe({ key })) {
    assert(
      performance.now() < deadline,
      `what was to be seen within ${OBSERVED_WITHIN_MS} ms was not: ${summary(seen)}`,
    );
  }
}

function summary({ started, cancelled, produced }: ObserveResponse): string {
  return `${started} started, ${cancelled} cancelled, ${produced} messages`;
}

/** What has been seen once nothing more happens: the same after many round trips. */
async function settled(echo: Echo, key: string): Promise<ObserveResponse> {
  let last = await echo.observe({ key });
  for (let same = 0; same < 100;) {
    const next = await echo.observe({ key });
    same = next.produced === last.produced ? same + 1 : 0;
    last = next;
  }
  return last;
}
