/** What can be said of a pod from its object alone. */
import type { Pod } from "./types/mod.ts";
import { findCondition, isConditionTrue } from "./meta.ts";
import { tryParseQuantity } from "./quantity.ts";
import { parseTime } from "./time.ts";

/** It counts for its controller: it has not ended and is not on its way out. */
export function isActive(pod: Pod): boolean {
  return !isTerminal(pod) && pod.metadata.deletionTimestamp === undefined;
}

/** It has ended for good, well or not. */
export function isTerminal(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

/** It serves. */
export function isReady(pod: Pod): boolean {
  return isConditionTrue(pod.status?.conditions, "Ready");
}

/** Since when it serves, in ms since the epoch; NaN where it does not. */
export function readySince(pod: Pod): number {
  const ready = findCondition(pod.status?.conditions, "Ready");
  if (ready?.status !== "True") return NaN;
  return ready.lastTransitionTime ? parseTime(ready.lastTransitionTime) : 0;
}

/** It has served for `minReadySeconds` without a break. */
export function isAvailable(pod: Pod, minReadySeconds: number, now: number): boolean {
  return isReady(pod) && readySince(pod) + minReadySeconds * 1000 <= now;
}

/** It has been given a node. */
export function isBound(pod: Pod): boolean {
  return pod.spec.nodeName !== undefined && pod.spec.nodeName !== "";
}

/** An init container that goes on running beside the others (a sidecar). */
export function isSidecar(container: { restartPolicy?: string }): boolean {
  return container.restartPolicy === "Always";
}

/** Where a pod stands when resources run short: what it asked for decides. */
export function qosClass(pod: Pod): "Guaranteed" | "Burstable" | "BestEffort" {
  let asks = false;
  let guaranteed = true;
  for (const { resources } of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
    for (const name of ["cpu", "memory"]) {
      const request = nanosOf(resources?.requests?.[name]);
      const limit = nanosOf(resources?.limits?.[name]);
      if (request > 0n || limit > 0n) asks = true;
      if (limit === 0n || request !== limit) guaranteed = false;
    }
  }
  if (!asks) return "BestEffort";
  return guaranteed ? "Guaranteed" : "Burstable";
}

function nanosOf(quantity: string | undefined): bigint {
  return quantity === undefined ? 0n : tryParseQuantity(quantity)?.nanos ?? 0n;
}
