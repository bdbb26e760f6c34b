/** Runs the tests of a folder that have no outcome yet, in a cluster of their own, and keeps what comes of them. */
import { commitOfSources } from "@k3ts/tools/commit";
import { causesIn, lacks } from "./causes.ts";
import { Cluster } from "./cluster.ts";
import type { RunFolder } from "./folder.ts";
import type { Options } from "./options.ts";
import type { Outcome } from "./outcome.ts";
import { secondsLeft } from "./plan.ts";
import type { Conclusion } from "./conclude.ts";
import { outcomeLines, stateLines } from "./progress.ts";
import { runTests } from "./run.ts";
import type { Suite } from "./suite.ts";

const STATE_EVERY_MS = 60_000;

export interface Execution {
  folder: RunFolder;
  options: Options;
  suite: Suite;
  known: ReadonlyMap<string, Outcome>;
  say: (line: string) => void;
}

/**
 * @returns why it was cut off before its time
 * @throws when there is no cluster to run anything in, or no longer, or when what comes of tests cannot be kept
 */
export async function execute(execution: Execution, signal: AbortSignal): Promise<string | undefined> {
  const { folder, options: { nodes, parallel, sliceMinutes }, known, say } = execution;
  const { result } = folder;
  const { tests, outcomes } = result;
  const done = new Set(outcomes.map(({ name }) => name));
  if (done.size > 0) say(`Goes on with the run of ${result.started}: ${done.size} of ${tests.length} are done.`);
  say(`A cluster of ${nodes} nodes is started for ${tests.length - done.size} tests.`);
  const running = new Map<string, number>();
  const tell = () => {
    const left = { left: tests.length - done.size, secondsLeft: secondsLeft({ tests, done, parallel, known }) };
    stateLines({ outcomes, running, ...left }, Date.now()).forEach(say);
  };
  const home = await Deno.makeTempDir({ prefix: "k3ts-conformance-" });
  try {
    await using cluster = await Cluster.start(nodes);
    result.served = await cluster.served();
    const causes = causesIn(result.served);
    const timer = setInterval(tell, STATE_EVERY_MS);
    try {
      await runTests({
        ...execution,
        cluster,
        tests,
        parallel,
        done,
        running,
        home,
        lacks: (name) => lacks(causes, name),
        logOf: (name) => `${folder.path}/${folder.logOf(name)}`,
        untilMs: sliceMinutes === undefined ? Infinity : Date.now() + sliceMinutes * 60_000,
        onOutcome: await keeperOf(execution),
      }, signal);
    } catch (error) {
      return whyCutOff(error, signal);
    } finally {
      clearInterval(timer);
      tell();
      if (done.size === tests.length) result.finished = new Date().toISOString();
      await folder.save();
    }
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

/** @throws the error itself where nobody has cut the run off */
export function whyCutOff(error: unknown, signal: AbortSignal): string {
  if (!signal.aborted) throw error;
  const { reason } = signal;
  return reason instanceof Error ? reason.message : String(reason);
}

/** Keeps outcomes in the folder as they come, and tells of them. */
async function keeperOf({ folder, say }: Execution): Promise<(name: string, found: Conclusion) => Promise<void>> {
  const { result } = folder;
  const commit = await commitOfSources();
  const [startedMs, secondsBefore] = [Date.now(), result.seconds];
  return async (name, { verdict, seconds, message, place }) => {
    const outcome: Outcome = {
      name,
      verdict,
      seconds,
      ...(message !== undefined && { message }),
      ...(place !== undefined && { place }),
      log: folder.logOf(name),
      at: new Date().toISOString(),
      commit,
    };
    result.outcomes.push(outcome);
    result.seconds = secondsBefore + (Date.now() - startedMs) / 1_000;
    await folder.save();
    outcomeLines(outcome).forEach(say);
  };
}
