/** When a test is hopeless: the suite itself would wait on, as it has no setting for most of its waits. */
import type { Repeated } from "./transcript.ts";

export interface Watched {
  startedMs: number;
  limitSeconds: number;
  /** What the test has logged last, again and again. */
  repeated: Repeated | undefined;
}

/** Waits that a cluster which answers at all ends soon, or never. */
const HOPELESS: readonly { line: RegExp; seconds: number; count: number }[] = [
  // What is not there, or not allowed, does not come by asking again.
  { line: /the server could not find the requested resource|no matches for kind/, seconds: 20, count: 5 },
  { line: /is forbidden: User/, seconds: 20, count: 5 },
  // All images are on the nodes already, and a pod that nothing prevents is bound at once.
  { line: /Phase="Pending"|phase is Pending|is Pending, waiting for it to be Running/i, seconds: 120, count: 20 },
  { line: /(ReadyReplicas:N|readyReplicas), .*UnavailableReplicas:N/, seconds: 150, count: 20 },
  { line: /ImagePullBackOff|ErrImagePull|ErrImageNeverPull|CreateContainerConfigError/, seconds: 60, count: 10 },
];

/** @returns why the test is to be ended, or nothing while there is hope */
export function hopeless(watched: Watched, nowMs: number): string | undefined {
  const seconds = (nowMs - watched.startedMs) / 1_000;
  if (seconds > watched.limitSeconds) return `not over after ${watched.limitSeconds} s`;
  const { repeated } = watched;
  if (repeated === undefined) return undefined;
  const rule = HOPELESS.find(({ line }) => line.test(repeated.line));
  if (rule === undefined || repeated.count < rule.count) return undefined;
  const waited = (nowMs - repeated.sinceMs) / 1_000;
  return waited > rule.seconds ? `has waited ${Math.floor(waited)} s for the same` : undefined;
}
