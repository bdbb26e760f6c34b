/** Which phase a pod is in (docs: "Pod phase"; counted as the kubelet counts). Pure. */
import type { Container, ContainerStatus, Pod, PodStatus } from "@k3ts/model/objects";
import { isSidecar, restarts } from "./container_rules.ts";
import type { ContainerKind } from "./observed.ts";

export interface PhaseInput {
  initStatuses: readonly ContainerStatus[];
  statuses: readonly ContainerStatus[];
  /** A container that is no init container was started once. */
  begun: boolean;
  /** Nothing of it runs. */
  rests: boolean;
}

/** @param before a pod that has ended stays ended, whatever becomes of its records */
export function phaseOf(pod: Pod, input: PhaseInput, before: PodStatus["phase"]): PodStatus["phase"] {
  if (before === "Succeeded" || before === "Failed") return before;
  const inits = pod.spec?.initContainers ?? [];
  const plain = input.initStatuses.filter((_, at) => !isSidecar(inits[at]!));
  const plainSpecs = inits.filter((one) => !isSidecar(one));
  if (plain.some((status, at) => isOver(pod, "init", plainSpecs[at]!, status) && lastCode(status) !== 0)) {
    return input.rests ? "Failed" : before ?? "Pending";
  }
  const sidecars = input.initStatuses.filter((_, at) => isSidecar(inits[at]!));
  const initsPend = !input.begun &&
    (plain.some((status) => lastCode(status) !== 0 && !hasFailed(status)) || sidecars.some(isPendingSidecar));
  if (initsPend) return "Pending";
  const waits = (status: ContainerStatus) =>
    status.state?.waiting !== undefined && status.lastState?.terminated === undefined;
  if (input.statuses.some(waits)) return "Pending";
  const runs = (status: ContainerStatus) => status.state?.running !== undefined;
  if (input.statuses.some(runs) || sidecars.some(runs)) return "Running";
  const specs = pod.spec?.containers ?? [];
  const allOver = input.statuses.every((status, at) => isOver(pod, "app", specs[at]!, status));
  // What is over is told when nothing runs any more: whoever reads it may take the pod's place.
  if (!allOver || !input.rests) return "Running";
  return input.statuses.every((status) => lastCode(status) === 0) ? "Succeeded" : "Failed";
}

/** It has ended and will not come back. */
function isOver(pod: Pod, kind: ContainerKind, container: Container, status: ContainerStatus): boolean {
  const code = lastCode(status);
  return code !== undefined && status.state?.running === undefined && !restarts(pod, kind, container, code);
}

function lastCode(status: ContainerStatus): number | undefined {
  return (status.state?.terminated ?? (status.state?.waiting && status.lastState?.terminated))?.exitCode;
}

function hasFailed(status: ContainerStatus): boolean {
  return (lastCode(status) ?? 0) !== 0;
}

function isPendingSidecar(status: ContainerStatus): boolean {
  if (status.state?.running !== undefined) return status.started !== true;
  return status.state?.waiting !== undefined && status.lastState?.terminated === undefined;
}
