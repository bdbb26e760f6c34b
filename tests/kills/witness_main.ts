/**
 * What clients of a node see: fetches each URL ten times a second, over a new connection each time, asks the resolver
 * for a name as often, and connects to the API.
 *
 *     deno run -A witness_main.ts --name NAME --resolver ADDRESS --api PORT [--every MS] [--patience MS] URL…
 *
 * Prints every failure as it happens and, at SIGTERM, what it counted.
 */
import dgram from "node:dgram";
import { parseArgs } from "node:util";
import { decode, encode, NOERROR, TYPES } from "../dns/query.ts";

/** As a stub resolver: asks again after this time, as often as this (resolv.conf(5): `timeout`, `attempts`). */
const ANSWER_MS_MAX = 1_000;
const ATTEMPTS = 5;

/** Counts of one kind of request. */
export interface Seen {
  succeeded: number;
  failed: number;
}

const { values, positionals: urls } = parseArgs({
  options: {
    name: { type: "string" },
    resolver: { type: "string" },
    api: { type: "string" },
    every: { type: "string", default: "100" },
    patience: { type: "string", default: "2000" },
  },
  allowPositionals: true,
});
const seen: Record<string, Seen> = {};
const pending = new Set<Promise<void>>();

function count(what: string, attempt: () => Promise<void>): void {
  const counts = seen[what] ??= { succeeded: 0, failed: 0 };
  const at = new Date().toISOString();
  const one = attempt().then(() => void counts.succeeded++, (error) => {
    counts.failed++;
    console.log(`${at} ${what}: ${(error as Error).message}`);
  }).finally(() => pending.delete(one));
  pending.add(one);
}

async function fetchPage(url: string): Promise<void> {
  const response = await fetch(url, {
    headers: { connection: "close" },
    signal: AbortSignal.timeout(Number(values.patience)),
  });
  await response.text();
  if (!response.ok) throw new Error(`status ${response.status}`);
}

/** Whether the connection is taken; who answers on it is not asked. */
async function connect(port: number): Promise<void> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  connection.close();
}

async function resolveName(name: string, resolver: string): Promise<void> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const answer = await askOnce(name, resolver);
    if (answer === undefined) continue;
    const { code, answers } = decode(answer);
    if (code !== NOERROR || answers.length === 0) throw new Error(`code ${code} with ${answers.length} answers`);
    return;
  }
  throw new Error(`no answer to ${ATTEMPTS} questions`);
}

/** @returns undefined when no answer came in time @throws when the question was refused */
function askOnce(name: string, resolver: string): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket("udp4");
    const end = (conclude: () => void) => {
      clearTimeout(timer);
      socket.close();
      conclude();
    };
    const timer = setTimeout(() => end(() => resolve(undefined)), ANSWER_MS_MAX);
    socket.once("message", (bytes) => end(() => resolve(new Uint8Array(bytes))));
    // A connected socket hears that nobody listens.
    socket.once("error", (error) => end(() => reject(error)));
    socket.connect(53, resolver, () => socket.send(encode(name, TYPES.A)));
  });
}

const timer = setInterval(() => {
  for (const url of urls) count(url, () => fetchPage(url));
  if (values.api !== undefined) count("connect", () => connect(Number(values.api)));
  if (values.name !== undefined) count("dns", () => resolveName(values.name!, values.resolver!));
}, Number(values.every));

Deno.addSignalListener("SIGTERM", async () => {
  clearInterval(timer);
  await Promise.all(pending);
  console.log(JSON.stringify(seen));
  Deno.exit();
});
