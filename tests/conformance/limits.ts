/** How long tests may take, as the suite's own waits end after five minutes and more, one after the other. */
import type { Outcome } from "./outcome.ts";

const LIMIT_SECONDS = 240;
const SHORT_SECONDS = 20;
/** What fails because the cluster does not have it, fails at once or never comes. */
const LIMIT_WITHOUT_CAPABILITY_SECONDS = 45;
/** How much longer than when it last passed a test may take, as the machine may be busy. */
const SLOWER_MAX = 4;

/** Tests that watch for minutes that nothing happens, or go through many pods one after the other. */
const LONG: readonly (readonly [name: RegExp, seconds: number])[] = [
  [/Probing container should \*not\* be restarted/, 420],
  [/Probing container should have monotonically increasing restart count/, 600],
  [/^\[sig-apps\] CronJob should/, 540],
  [/^\[sig-apps\] StatefulSet/, 600],
  [/continue listing from the last key if the original version has been compacted away/, 1_500],
  [/^\[sig-scheduling\] Scheduler/, 540],
  [/NoExecuteTaintManager/, 480],
  [/pod generation|InPlace Resize/i, 420],
  [/^\[sig-apps\] Job /, 420],
  [/failing subpath expansion|terminates when spec.activeDeadlineSeconds|Node Lifecycle/, 420],
  [/EmptyDir wrapper volumes should not cause race/, 600],
  [/optional updates should be reflected|updates should be reflected in volume/, 420],
  [/session affinity timeout/, 420],
  [/^\[sig-api-machinery\] Aggregator/, 420],
];

/**
 * @param name of the test
 * @param known its newest outcome
 * @param lacking whether the cluster lacks what the test is about
 */
export function limitSeconds(name: string, known: Outcome | undefined, lacking: boolean): number {
  if (lacking) return LIMIT_WITHOUT_CAPABILITY_SECONDS;
  const usual = longLimit(name) ?? LIMIT_SECONDS;
  return known?.verdict === "passed" ? Math.max(usual, known.seconds * SLOWER_MAX) : usual;
}

/** What to reckon with for a test that has not run yet: those with a limit of their own mostly take half of it. */
export function expectedSeconds(name: string, known: Outcome | undefined): number {
  return known?.seconds ?? (longLimit(name) ?? SHORT_SECONDS * 2) / 2;
}

function longLimit(name: string): number | undefined {
  return LONG.find(([pattern]) => pattern.test(name))?.[1];
}
