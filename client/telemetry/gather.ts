/** One document of the figures of several processes: a scraper finds all of a machine in one place. */
import { createClient } from "@connectrpc/connect";
import { MetricsService } from "@k3ts/proto";
import { connectFrames, streamChannel } from "@k3ts/proto/frames";
import { delay } from "../backoff.ts";
import { mergeMetrics, Metrics } from "./metrics.ts";

/** @returns a process's figures in Prometheus's text format @throws when it does not answer */
export type MetricsSource = (signal: AbortSignal) => Promise<string>;

/** Whoever has not answered by then is left out: a scraper waits for all of them. */
const ANSWER_MS_MAX = 1_000;

/**
 * @param sources by the name of the process, which becomes the label `process`
 * @returns the figures of those that answer, and of each whether it did (`up`)
 */
export async function gatherMetrics(
  sources: Readonly<Record<string, MetricsSource>>,
  answerMsMax: number = ANSWER_MS_MAX,
): Promise<string> {
  const asked = Object.entries(sources).map(async ([name, source]) =>
    [name, await answerOf(source, answerMsMax)] as const
  );
  const answers = await Promise.all(asked);
  const documents = new Map(answers.flatMap(([name, text]) => text === undefined ? [] : [[name, text] as const]));
  const up = new Metrics();
  const gauge = up.gauge(
    "up",
    "1 where a process of this machine has told its figures, 0 where it has not.",
    "process",
  );
  for (const [process, text] of answers) gauge.set(text === undefined ? 0 : 1, { process });
  return mergeMetrics(documents) + await up.render();
}

async function answerOf(source: MetricsSource, msMax: number): Promise<string | undefined> {
  const ending = new AbortController();
  // One that forgets its signal must not be waited for either.
  const late = delay(msMax, ending.signal).then(() => undefined);
  try {
    return await Promise.race([source(ending.signal), late]);
  } catch {
    return undefined; // which `up` tells
  } finally {
    late.catch(() => {}); // called off
    ending.abort(new Error(`the process has not answered within ${msMax} ms`));
  }
}

/** Of a native process, which tells its figures on its unix socket. */
export function metricsAt(socket: string): MetricsSource {
  return async (signal) => {
    const stream = await Deno.connect({ transport: "unix", path: socket });
    await using connection = connectFrames(streamChannel(stream), { side: "dialer", signal });
    const { text } = await createClient(MetricsService, connection.transport).getMetrics({}, { signal });
    return text;
  };
}
