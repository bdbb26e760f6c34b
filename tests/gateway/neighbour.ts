/** A client that behaves, beside those that do not: it must be served as if they were not there. */
import { ok as assert } from "node:assert/strict";
import { Gateway } from "./gateway.ts";
import { type Handler, serve } from "./backend.ts";

/** Of any of its requests, on a machine that has other things to do. */
const SLOWEST_MS_MAX = 3_000;
const EVERY_MS = 20;
/** How long an attack goes on that one connection would not last for. */
const ATTACK_MS = 4_000;

/** For tests with such an attack: in its time a neighbour asks a hundred times on a machine that does nothing else. */
export const ATTACK = { servedMin: 20 };

/** Does it again and again, so that a neighbour has the time to feel it. */
export async function attack(once: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + ATTACK_MS;
  while (performance.now() < deadline) await once();
}

/** Runs a test against a gateway while its neighbour asks. */
export async function beside(
  what: (gateway: Gateway) => Promise<void>,
  { growthMiBMax = 64, servedMin = 2, path = "/whoami", handle, begin }: {
    /** By how much the gateway's memory may grow. @default 64 */
    growthMiBMax?: number;
    /** How often the neighbour must have been served. @default 2 */
    servedMin?: number;
    /** What the neighbour asks for, which is answered as `/whoami` is. */
    path?: string;
    /** What the server does before what it always does. */
    handle?: Handler;
    /** What must be there before the neighbour asks. */
    begin?: (gateway: Gateway) => Promise<AsyncDisposable>;
  } = {},
): Promise<void> {
  await using gateway = await Gateway.start();
  await using _server = serve(gateway.serverSocket, handle);
  await using _begun = await begin?.(gateway);
  const { cert, key } = gateway.admin;
  using client = Deno.createHttpClient({ caCerts: [gateway.authority.cert], cert, key });
  const abort = new AbortController();
  let served = 0;
  let slowest = 0;
  const ask = async () => {
    const began = performance.now();
    const response = await fetch(`${gateway.url}${path}`, { client });
    const text = await response.text();
    assert(response.ok && JSON.parse(text).commonName === "admin", text);
    slowest = Math.max(slowest, performance.now() - began);
    served++;
  };
  await ask();
  slowest = 0;
  const { pid } = await gateway.supervised.running("gateway");
  const before = memory(pid);
  let most = before;
  const asking = (async () => {
    while (!abort.signal.aborted) {
      await ask();
      most = Math.max(most, memory(pid));
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  })();
  // Whichever fails first says what happened.
  await Promise.race([what(gateway), asking.then(() => Promise.reject(new Error("the neighbour has left")))]);
  abort.abort();
  await asking;
  assert(served >= servedMin, `the neighbour was served ${served} times`);
  assert(slowest < SLOWEST_MS_MAX, `the neighbour waited for ${slowest} ms`);
  assert((await gateway.supervised.process("gateway"))?.pid === pid, "the gateway has ended");
  const grown = (most - before) / 1024;
  if (Deno.env.has("K3TS_TEST_LOG")) console.log(`grew by ${grown} MiB, slowest ${slowest} ms, served ${served}`);
  assert(grown < growthMiBMax, `the gateway grew by ${grown} MiB`);
}

/** Resident KiB. */
export function memory(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1]);
}
