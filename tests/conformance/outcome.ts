/** What came of a test: the shapes that runs, history and table share. */

/** `skipped` is the suite's own word: the cluster lacks what the test needs. `hopeless`: the watchdog ended it. */
export type Verdict = "passed" | "failed" | "skipped" | "hopeless";

export interface Outcome {
  /** The test's whole name, as the suite lists it. */
  name: string;
  verdict: Verdict;
  seconds: number;
  /** Why it did not pass; whole, but for what is beyond {@link MESSAGE_CHARS_MAX}. */
  message?: string;
  /** Where in the suite it failed: `k8s.io/kubernetes/test/e2e/…/file.go:123`. */
  place?: string;
  /** The file with all that the suite said, in the folder of its run. */
  log?: string;
  /** When it ended, RFC 3339. */
  at: string;
  /** The commit of k3ts, with a `+` when files differed from it; empty for a copy that is no checkout. */
  commit: string;
}

/** What a run is, and what it has brought so far: `result.json` in its folder, and a file of the history. */
export interface Result {
  /** Of the options that choose tests: `--sample 60`. Runs with the same one continue each other. */
  selection: string;
  suite: string;
  nodes: number;
  parallel: number;
  /** RFC 3339. */
  started: string;
  /** RFC 3339; absent until all tests have an outcome. */
  finished?: string;
  /** Time in which tests ran, over all slices. */
  seconds: number;
  /** `group/resource` of all that the cluster served, subresources too: what is not here is a capability to come. */
  served: string[];
  /** The tests that were chosen. */
  tests: string[];
  outcomes: Outcome[];
}

export const MESSAGE_CHARS_MAX = 2_000;

/** The newest outcome of each test, of results from the oldest to the newest. */
export function newestOutcomes(results: readonly Result[]): Map<string, Outcome> {
  const newest = new Map<string, Outcome>();
  for (const outcome of results.flatMap(({ outcomes }) => outcomes)) {
    const known = newest.get(outcome.name);
    if (known === undefined || known.at <= outcome.at) newest.set(outcome.name, outcome);
  }
  return newest;
}

/** `[sig-apps]` of `[sig-apps] CronJob should …`. */
export function sigOf(name: string): string {
  return /^\[([^\]]+)\]/.exec(name)?.[1] ?? "other";
}
