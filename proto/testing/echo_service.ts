/** The echo service: what every transport is tested with, and an example of all kinds of calls. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import {
  EchoDetailSchema,
  EchoService,
  type ObserveResponse,
  ObserveResponseSchema,
  type RepeatRequest,
} from "../mod.ts";
import type { Routes } from "../frames/mod.ts";

/** Calls that bear it in their metadata can be observed afterwards. */
export const ECHO_KEY = "echo-key";
/** Most keys that are remembered; the oldest goes first. */
const KEYS_MAX = 1000;

/** Routes of one echo service, for any server of Connect. */
export function echoRoutes(): Routes {
  return (router) => router.service(EchoService, echoService());
}

function echoService(): ServiceImpl<typeof EchoService> {
  const observed = new Map<string, ObserveResponse>();
  return {
    async say({ text, data, delayMs, failCode }, context) {
      using _call = observe(observed, context);
      await pause(delayMs, context.signal);
      if (failCode !== 0) throw failure(text, failCode);
      context.responseTrailer.set("echo-said", String(text.length));
      return { text, data };
    },
    async *repeat(request, context) {
      using call = observe(observed, context);
      for (let index = 0; index < request.times; index++) {
        await pause(request.delayMs, context.signal);
        failIfDue(request, index);
        call.seen.produced++;
        yield { index, data: new Uint8Array(request.sizeBytes).fill(index) };
      }
      failIfDue(request, request.times);
    },
    async gather(requests) {
      let sum = 0n;
      let count = 0;
      for await (const { number } of requests) {
        sum += BigInt(number);
        count++;
      }
      return { sum, count };
    },
    async *converse(requests) {
      for await (const { text } of requests) yield { text };
    },
    observe: ({ key }) => observed.get(key) ?? {},
  };
}

/** Counts a call, and whether it is told to stop before it is disposed of. */
function observe(
  observed: Map<string, ObserveResponse>,
  context: HandlerContext,
): { seen: ObserveResponse } & Disposable {
  const key = context.requestHeader.get(ECHO_KEY);
  const seen = observed.get(key ?? "") ?? create(ObserveResponseSchema);
  if (key !== null) observed.set(key, seen);
  const [oldest] = observed.keys();
  if (observed.size > KEYS_MAX && oldest !== undefined) observed.delete(oldest);
  const count = () => void seen.cancelled++;
  seen.started++;
  context.signal.addEventListener("abort", count, { once: true });
  return { seen, [Symbol.dispose]: () => context.signal.removeEventListener("abort", count) };
}

function failIfDue({ failAfter, times }: RepeatRequest, made: number): void {
  if (failAfter !== 0 && made === Math.min(failAfter, times)) throw failure(`failed after ${made}`, Code.Aborted);
}

function failure(text: string, code: Code): ConnectError {
  return new ConnectError(text, code, undefined, [{ desc: EchoDetailSchema, value: { text } }]);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (ms === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}
