/** Runs one test of the suite in a process of its own, watched. */
import { delay } from "@k3ts/client";
import { TextLineStream } from "@k3ts/tools/lines";
import { end } from "@k3ts/tools/run";
import { conclude, type Conclusion } from "./conclude.ts";
import { commandOf, type Place, type Suite } from "./suite.ts";
import { Transcript } from "./transcript.ts";
import { hopeless } from "./watchdog.ts";

const LOG_BYTES_MAX = 16_000_000;
const WATCH_MS = 1_000;
/** For the suite's clean-up after an interrupt, of which it is told 15 s. */
const GRACE_MS = 45_000;

export interface TestProcess {
  name: string;
  suite: Suite;
  place: Place;
  limitSeconds: number;
  /** The file for all that is said. */
  log: string;
  /** A folder that the suite may take for its user's home. */
  home: string;
}

export interface Finished extends Conclusion {
  /** The label of what it has made, if it came so far. */
  runId: string | undefined;
  /** Whether the process could clean up by itself. */
  cleaned: boolean;
}

/** @throws the signal's reason when that ends it: nothing is known of the test then */
export async function runTest(test: TestProcess, signal: AbortSignal): Promise<Finished> {
  signal.throwIfAborted();
  const [program, ...args] = commandOf(test.suite, test.place, test.name) as [string, ...string[]];
  const transcript = new Transcript();
  const startedMs = Date.now();
  using log = await Deno.open(test.log, { create: true, write: true, truncate: true });
  const child = new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    cwd: test.home,
    env: { HOME: test.home, PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin:/usr/sbin:/sbin" },
    clearEnv: true,
  }).spawn();
  const over = new AbortController();
  const watching = watch(child, transcript, { startedMs, limitSeconds: test.limitSeconds }, over.signal, signal);
  try {
    await Promise.all([child.stdout, child.stderr].map((stream) => keep(stream, log, transcript)));
    const { code, signal: killedBy } = await child.status;
    over.abort();
    const why = await watching;
    signal.throwIfAborted();
    const seconds = (Date.now() - startedMs) / 1_000;
    return {
      ...conclude({ transcript, hopeless: why, code, seconds }),
      runId: transcript.runId,
      cleaned: killedBy === null && why === undefined,
    };
  } finally {
    over.abort();
  }
}

/** Ends the process when its test is hopeless, or nobody wants it any longer. @returns why */
async function watch(
  child: Deno.ChildProcess,
  transcript: Transcript,
  bounds: { startedMs: number; limitSeconds: number },
  over: AbortSignal,
  unwanted: AbortSignal,
): Promise<string | undefined> {
  const isOver = () => over.aborted;
  let why: string | undefined;
  while (!isOver() && why === undefined && !unwanted.aborted) {
    await delay(WATCH_MS, AbortSignal.any([over, unwanted])).catch(() => {}); // is over, which the loop sees
    why = hopeless({ ...bounds, repeated: transcript.repeated }, Date.now());
  }
  if (isOver()) return undefined;
  await end(child, { signal: "SIGINT", msMax: GRACE_MS });
  return why;
}

async function keep(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  log: Deno.FsFile,
  transcript: Transcript,
): Promise<void> {
  const encoder = new TextEncoder();
  let bytes = 0;
  for await (const line of stream.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())) {
    transcript.push(line, Date.now());
    const encoded = encoder.encode(`${line}\n`);
    bytes += encoded.length;
    if (bytes < LOG_BYTES_MAX) log.writeSync(encoded);
  }
}
