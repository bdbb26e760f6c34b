/** Which tests run next, and how long the rest will take. */
import { expectedSeconds } from "./limits.ts";
import type { Outcome } from "./outcome.ts";

export interface Situation {
  /** All that were chosen. */
  tests: readonly string[];
  done: ReadonlySet<string>;
  running: ReadonlySet<string>;
  /** How many may run at once. */
  parallel: number;
  /** The newest outcome of each test in runs before. */
  known: ReadonlyMap<string, Outcome>;
  /** Whether the cluster lacks what a test is about: the least that can be learned from. */
  lacks: (name: string) => boolean;
}

/** The suite's own word for tests that no other one may run beside. */
export function runsAlone(name: string): boolean {
  return /\[Serial\]|\[Disruptive\]/.test(name);
}

/**
 * The tests to start now: the longest first, so that none is left over at the end, but before all those that cannot
 * pass; those that run alone one by one when all others are done.
 */
export function nextTests({ tests, done, running, parallel, known, lacks }: Situation): string[] {
  const left = tests.filter((name) => !done.has(name) && !running.has(name));
  const order = (a: string, b: string) =>
    Number(lacks(a)) - Number(lacks(b)) || expectedSeconds(b, known.get(b)) - expectedSeconds(a, known.get(a));
  const together = left.filter((name) => !runsAlone(name)).sort(order);
  if (together.length > 0) return together.slice(0, Math.max(0, parallel - running.size));
  return running.size > 0 ? [] : left.sort(order).slice(0, 1);
}

/** How long the tests that are left will take, all in all. */
export function secondsLeft(
  { tests, done, parallel, known }: Pick<Situation, "tests" | "done" | "parallel" | "known">,
): number {
  let [together, alone, longest] = [0, 0, 0];
  for (const name of tests) {
    if (done.has(name)) continue;
    const seconds = expectedSeconds(name, known.get(name));
    if (runsAlone(name)) alone += seconds;
    else [together, longest] = [together + seconds, Math.max(longest, seconds)];
  }
  return Math.max(longest, together / parallel) + alone;
}
