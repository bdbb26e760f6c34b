/**
 * Computes a pod's status from what is observed: phase, conditions and what each container does.
 *
 * Pure. Behaviour follows Kubernetes 1.35 (docs: "Pod lifecycle"; the phase rules are those of the kubelet).
 */
import { formatTime, type Pod, type PodStatus, qosClass } from "@k3ts/model/objects";
import { conditionsOf } from "./conditions.ts";
import { latestAttempt } from "./container_rules.ts";
import { containerStatus } from "./container_status.ts";
import type { ObservedPod } from "./observed.ts";
import { phaseOf } from "./phase.ts";
import type { DesiredPod } from "./plan.ts";

/** The whole status as this node would write it, with conditions of others kept. */
export type PodStatusPlan = PodStatus;

/** Why a container that should run does not. */
export interface Waiting {
  reason: string;
  message?: string;
}

export function planStatus(
  desired: DesiredPod,
  observed: ObservedPod,
  waiting: ReadonlyMap<string, Waiting>,
  ended: { reason: string; message: string } | undefined,
  now: number,
): PodStatusPlan {
  const { pod } = desired;
  const inits = pod.spec?.initContainers ?? [];
  const containers = pod.spec?.containers ?? [];
  const view = { desired, observed, waiting };
  // As the kubelet: those of a pod with init containers wait for these, whatever they really wait for.
  const creating = inits.length > 0 ? "PodInitializing" : "ContainerCreating";
  const initStatuses = inits.map((one) => containerStatus(view, "init", one, creating));
  const statuses = containers.map((one) => containerStatus(view, "app", one, creating));
  const begun = containers.some((one) => latestAttempt(observed.containers, one.name) !== undefined);
  const rests = !observed.containers.some((one) => one.state === "running" || one.state === "created");
  const phase = ended !== undefined && rests
    ? "Failed"
    : phaseOf(pod, { initStatuses, statuses, begun, rests }, pod.status?.phase);
  const address = addressOf(desired, observed);
  // Nothing of it was ever begun, so that there is nothing to say of its containers.
  const isRefused = ended !== undefined && observed.containers.length === 0 &&
    pod.status?.containerStatuses === undefined;
  const generation = pod.metadata.generation;
  return {
    ...pod.status,
    ...(generation !== undefined && { observedGeneration: generation }),
    phase,
    ...(ended !== undefined && phase === "Failed" && { reason: ended.reason, message: ended.message }),
    conditions: conditionsOf(pod, observed, { phase, begun, initStatuses, statuses }, now),
    hostIP: desired.hostAddress,
    hostIPs: [{ ip: desired.hostAddress }],
    ...(address !== undefined && { podIP: address, podIPs: [{ ip: address }] }),
    startTime: pod.status?.startTime ?? formatTime(desired.seenAt),
    qosClass: pod.status?.qosClass ?? qosClass(pod),
    ...(inits.length > 0 && !isRefused && { initContainerStatuses: initStatuses }),
    ...(!isRefused && { containerStatuses: statuses }),
  };
}

/** A pod keeps the address that it last had: what has ended is still asked where it was. */
function addressOf(desired: { pod: Pod; hostAddress: string }, observed: ObservedPod): string | undefined {
  if (desired.pod.spec?.hostNetwork === true) return observed.sandbox && desired.hostAddress;
  return observed.sandbox?.address ?? desired.pod.status?.podIP;
}
