/**
 * Asks an HTTP/2 server for as much as it can do with so many requests in flight. Reads `Input`, writes `Result[]`.
 *
 * Costs a core or so itself: on a small machine the client is part of what is measured, and its share is told.
 */
import { Buffer } from "node:buffer";
import http2 from "node:http2";
import { type Use, usedBetween, useOf } from "@k3ts/tools/processes";

export interface Input {
  url: string;
  ca: string;
  cert: string;
  key: string;
  /** Whose CPU time is told: name and process id. */
  processes: Record<string, number>;
  steps: Step[];
}

export interface Step {
  name: string;
  method: string;
  /** `{n}` becomes the number of the request, counted from 0, modulo `modulo` if that is there. */
  path: string;
  /** JSON, with `{n}` as in the path; `{i}` becomes the number itself. */
  body?: string;
  modulo?: number;
  concurrency: number;
  /** Ends after so many milliseconds, or so many requests. */
  ms?: number;
  count?: number;
}

export interface Result {
  name: string;
  concurrency: number;
  perSecond: number;
  /** Milliseconds of a quantile: 0.5, 0.95, 0.99. */
  p50: number;
  p95: number;
  p99: number;
  /** Microseconds of a core that a request took, of each process and of this client. */
  cpu: Record<string, number>;
}

/** Streams of one connection are served by one thread of the gateway. */
const STREAMS_PER_CONNECTION = 16;

const input: Input = JSON.parse(await new Response(Deno.stdin.readable).text());
const sessions: http2.ClientHttp2Session[] = [];

function session(index: number): http2.ClientHttp2Session {
  const { ca, cert, key, url } = input;
  return sessions[index] ??= http2.connect(url, { ca, cert, key });
}

function ask(from: http2.ClientHttp2Session, step: Step, number: number): Promise<void> {
  const n = String(step.modulo === undefined ? number : number % step.modulo);
  return new Promise((resolve, reject) => {
    const stream = from.request({
      ":method": step.method,
      ":path": step.path.replace("{n}", n),
      accept: "application/json",
      ...(step.body !== undefined && { "content-type": "application/json" }),
    }, { endStream: step.body === undefined });
    let status = 0;
    const said: Buffer[] = [];
    stream.on("response", (headers) => status = headers[":status"] ?? 0);
    stream.on("data", (piece: Buffer) => status >= 300 && said.push(piece));
    stream.on("error", reject);
    stream.on("end", () => {
      if (status >= 200 && status < 300) return resolve();
      reject(new Error(`${step.method} ${step.path}: ${status} ${Buffer.concat(said)}`));
    });
    if (step.body !== undefined) stream.end(step.body.replaceAll("{n}", n).replaceAll("{i}", String(number)));
  });
}

async function run(step: Step): Promise<Result> {
  const times: number[] = [];
  const before = await cpu();
  const begin = performance.now();
  const until = begin + (step.ms ?? Infinity);
  let next = 0;
  const lanes = Array.from({ length: step.concurrency }, async (_, lane) => {
    const from = session(Math.floor(lane / STREAMS_PER_CONNECTION));
    while (performance.now() < until && next < (step.count ?? Infinity)) {
      const started = performance.now();
      await ask(from, step, next++);
      times.push(performance.now() - started);
    }
  });
  await Promise.all(lanes);
  const seconds = (performance.now() - begin) / 1000;
  const after = await cpu();
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return {
    name: step.name,
    concurrency: step.concurrency,
    perSecond: times.length / seconds,
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
    cpu: Object.fromEntries(
      Object.keys(after).map((
        name,
      ) => [name, usedBetween(before[name]!, after[name]!).seconds * 1e6 / times.length]),
    ),
  };
}

async function cpu(): Promise<Record<string, Map<string, Use>>> {
  const used: Record<string, Map<string, Use>> = { client: await useOf(Deno.pid) };
  for (const [name, pid] of Object.entries(input.processes)) used[name] = await useOf(pid);
  return used;
}

const results: Result[] = [];
for (const step of input.steps) results.push(await run(step));
console.log(JSON.stringify(results));
Deno.exit(0);
