/** What a pod says of the Job that it belongs to. */
import { findCondition, isSidecar, type Job, parseTime, type Pod } from "@k3ts/model/objects";

/** Holds a pod until its Job has counted it (KEP-2307). */
export const TRACKING = "batch.kubernetes.io/job-tracking";
/** Which of the completions of an Indexed Job the pod works on: an annotation, and a label (KEP-2214). */
export const INDEX = "batch.kubernetes.io/job-completion-index";
/** How many pods of the index have failed before it, and how many of these do not count (KEP-3850). */
export const FAILURES = "batch.kubernetes.io/job-index-failure-count";
export const IGNORED_FAILURES = "batch.kubernetes.io/job-index-ignored-failure-count";

const INT32_MAX = 2 ** 31 - 1;

export function isTracked({ metadata }: Pod): boolean {
  return metadata.finalizers?.includes(TRACKING) ?? false;
}

export function hasSucceeded({ status }: Pod): boolean {
  return status?.phase === "Succeeded";
}

/** It will not succeed any more. While it only leaves, that depends on what the Job waits for before it replaces it. */
export function hasFailed(pod: Pod, job: Job): boolean {
  if (pod.status?.phase === "Failed") return true;
  return !replacesFailedOnly(job) && pod.metadata.deletionTimestamp !== undefined && !hasSucceeded(pod);
}

/** Whether the Job waits for the very end of a pod before it makes another one (KEP-3939). */
export function replacesFailedOnly({ spec }: Job): boolean {
  return spec.podReplacementPolicy === "Failed" || spec.podFailurePolicy !== undefined;
}

/** It was told to go, and has not ended yet. */
export function isLeaving({ metadata, status }: Pod): boolean {
  return metadata.deletionTimestamp !== undefined && status?.phase !== "Failed" && status?.phase !== "Succeeded";
}

/** undefined where it has none that can be read. */
export function indexOf({ metadata }: Pod): number | undefined {
  const text = metadata.annotations?.[INDEX];
  return text !== undefined && /^\+?\d+$/.test(text) ? Number(text) : undefined;
}

/** Counts that somebody has broken are none. */
function countIn({ metadata }: Pod, annotation: string): number {
  const text = metadata.annotations?.[annotation] ?? "";
  return /^\+?\d+$/.test(text) && Number(text) <= INT32_MAX ? Number(text) : 0;
}

export function failuresBefore(pod: Pod): { counted: number; ignored: number } {
  return { counted: countIn(pod, FAILURES), ignored: countIn(pod, IGNORED_FAILURES) };
}

/** When it ended, as near as can be told, in ms since the epoch. */
export function finishedAt(pod: Pod): number {
  return containersFinishedAt(pod) ?? unreadySince(pod) ?? leavingSince(pod) ??
    parseTime(pod.metadata.creationTimestamp ?? "");
}

function containersFinishedAt({ spec, status }: Pod): number | undefined {
  const sidecars = new Set((spec.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  const ended = [
    ...status?.containerStatuses ?? [],
    ...(status?.initContainerStatuses ?? []).filter(({ name }) => sidecars.has(name)),
  ].map(({ state }) => state?.terminated?.finishedAt);
  if (ended.length === 0 || ended.some((time) => !time)) return undefined;
  return Math.max(...ended.map((time) => parseTime(time!)));
}

function unreadySince({ status }: Pod): number | undefined {
  const ready = findCondition(status?.conditions, "Ready");
  return ready?.status === "False" && ready.lastTransitionTime ? parseTime(ready.lastTransitionTime) : undefined;
}

function leavingSince({ metadata }: Pod): number | undefined {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = metadata;
  return deletionTimestamp === undefined ? undefined : parseTime(deletionTimestamp) - deletionGracePeriodSeconds * 1000;
}
