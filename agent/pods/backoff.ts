/**
 * How long a container waits before it is started again (Kubernetes documentation: "Pod lifecycle", container
 * restarts): at once the first time, then 10 s, doubled up to 5 min, and from the beginning after 10 good minutes.
 */
import type { ObservedContainer } from "./observed.ts";

const BACKOFF_MS_FIRST = 10_000;
const BACKOFF_MS_MAX = 300_000;
const GOOD_RUN_MS = 600_000;

/** What holds back the start that follows this ended attempt. Zero: nothing does. */
export function nextBackoffMs(ended: ObservedContainer): number {
  if (ended.exit === undefined) return 0;
  const ran = ended.startedAt === undefined ? 0 : ended.exit.finishedAt - ended.startedAt;
  if (ended.backoffMs === undefined || ran >= GOOD_RUN_MS) return 0;
  return growBackoffMs(ended.backoffMs);
}

/** 10 s, 20 s, ... 5 min. */
export function growBackoffMs(before: number): number {
  return before === 0 ? BACKOFF_MS_FIRST : Math.min(before * 2, BACKOFF_MS_MAX);
}
