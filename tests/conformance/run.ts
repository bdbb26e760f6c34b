/** Carries tests out, as many at once as may be, until all are done or time is over. */
import type { Cluster } from "./cluster.ts";
import { limitSeconds } from "./limits.ts";
import type { Outcome } from "./outcome.ts";
import { nextTests } from "./plan.ts";
import { type Finished, runTest } from "./process.ts";
import type { Suite } from "./suite.ts";

export interface Run {
  suite: Suite;
  cluster: Cluster;
  tests: readonly string[];
  parallel: number;
  /** Tests with an outcome; those that come are added. */
  done: Set<string>;
  /** Names and when they began, ms since the epoch; kept up to date. */
  running: Map<string, number>;
  known: ReadonlyMap<string, Outcome>;
  /** Whether the cluster lacks what a test is about. */
  lacks: (name: string) => boolean;
  /** The file for what the suite says of a test. */
  logOf: (name: string) => string;
  home: string;
  /** Ms since the epoch: after it no more are started. */
  untilMs: number;
  onOutcome: (name: string, finished: Finished) => Promise<void>;
}

/**
 * @param signal ends the tests that run; they have no outcome then
 * @throws when the cluster is lost, or an outcome cannot be kept: no further test would tell anything
 */
export async function runTests(run: Run, signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  const tasks = new Map<string, Promise<void>>();
  // The first to fail ends the others, which fail then too.
  const errors: unknown[] = [];
  const start = (name: string) => {
    run.running.set(name, Date.now());
    const task = one(run, name, both).catch((error) => {
      errors.push(error);
      stop.abort(error);
    }).finally(() => {
      run.running.delete(name);
      tasks.delete(name);
    });
    tasks.set(name, task);
  };
  while (true) {
    const running = new Set(run.running.keys());
    if (!both.aborted && Date.now() < run.untilMs) nextTests({ ...run, running }).forEach(start);
    if (tasks.size === 0) break;
    await Promise.race(tasks.values());
  }
  signal.throwIfAborted();
  if (errors.length > 0) throw errors[0];
}

async function one(run: Run, name: string, signal: AbortSignal): Promise<void> {
  const { suite, cluster, home } = run;
  const finished = await runTest({
    name,
    suite,
    home,
    place: cluster.place,
    limitSeconds: limitSeconds(name, run.known.get(name), run.lacks(name)),
    log: run.logOf(name),
  }, signal);
  await run.onOutcome(name, finished);
  run.done.add(name);
  if (finished.verdict === "passed") return;
  if (!finished.cleaned && finished.runId !== undefined) await cluster.remove(finished.runId);
  await cluster.isWell();
}
