/**
 * Computes a pod's status from what is observed: phase, conditions and what each container does.
 *
 * Pure. Behaviour follows Kubernetes 1.35 (docs: "Pod lifecycle"; the phase rules are those of the kubelet).
 */
import {
  type Container,
  type ContainerState,
  type ContainerStatus,
  formatTime,
  type Pod,
  type PodCondition,
  type PodStatus,
  qosClass,
} from "@k3ts/model/objects";
import type { ContainerKind, ObservedContainer, ObservedPod } from "./observed.ts";
import { hasEnded, isRunning, isSidecar, latestAttempt } from "./plan.ts";
import type { DesiredPod } from "./plan.ts";

/** The whole status as this node would write it, with conditions of others kept. */
export type PodStatusPlan = PodStatus;

type Phase = PodStatus["phase"];

/** Why a container that should run does not. */
export interface Waiting {
  reason: string;
  message?: string;
}

export function planStatus(
  desired: DesiredPod,
  observed: ObservedPod,
  waiting: ReadonlyMap<string, Waiting>,
  ended: Waiting | undefined,
  now: number,
): PodStatusPlan {
  const { pod } = desired;
  const inits = pod.spec?.initContainers ?? [];
  const containers = pod.spec?.containers ?? [];
  const view = { desired, observed, waiting };
  const initStatuses = inits.map((one) => containerStatus(view, "init", one, "PodInitializing"));
  const initialized = initStatuses.every((status, i) => initDone(inits[i]!, status)) ||
    containers.some((one) => latestAttempt(observed.containers, one.name) !== undefined);
  const statuses = containers.map((one) =>
    containerStatus(view, "app", one, initialized ? "ContainerCreating" : "PodInitializing")
  );
  const phase = ended !== undefined && noneRuns(observed)
    ? "Failed"
    : phaseOf(pod, inits, initStatuses, statuses, pod.status?.phase);
  const address = addressOf(desired, observed);
  return {
    ...pod.status,
    phase,
    ...(ended !== undefined && phase === "Failed" && { reason: ended.reason, message: ended.message }),
    conditions: conditions(desired, observed, { phase, initialized, initStatuses, statuses }, now),
    hostIP: desired.hostAddress,
    hostIPs: [{ ip: desired.hostAddress }],
    ...(address !== undefined && { podIP: address, podIPs: [{ ip: address }] }),
    startTime: pod.status?.startTime ?? formatTime(desired.seenAt),
    qosClass: pod.status?.qosClass ?? qosClass(pod),
    ...(inits.length > 0 && { initContainerStatuses: initStatuses }),
    containerStatuses: statuses,
  };
}

function noneRuns(observed: ObservedPod): boolean {
  return !observed.containers.some((one) => one.state === "running" || one.state === "created");
}

/** A pod keeps the address that it last had: what has ended is still asked where it was. */
function addressOf(desired: DesiredPod, observed: ObservedPod): string | undefined {
  if (desired.pod.spec?.hostNetwork === true) return observed.sandbox && desired.hostAddress;
  return observed.sandbox?.address ?? desired.pod.status?.podIP;
}

interface View {
  desired: DesiredPod;
  observed: ObservedPod;
  waiting: ReadonlyMap<string, Waiting>;
}

function containerStatus(view: View, kind: ContainerKind, container: Container, creating: string): ContainerStatus {
  const { observed, waiting } = view;
  const latest = latestAttempt(observed.containers, container.name);
  const before = latest === undefined
    ? undefined
    : observed.containers.find((one) => one.container === container.name && one.attempt === latest.attempt - 1);
  const waits = waiting.get(container.name);
  // A container that waits to be started again shows its last end as the last state.
  const state = waits !== undefined && !isRunning(latest)
    ? { waiting: { reason: waits.reason, ...(waits.message !== undefined && { message: waits.message }) } }
    : latest === undefined
    ? { waiting: { reason: creating } }
    : stateOf(latest);
  const last = state.waiting !== undefined && hasEnded(latest) ? latest : before;
  const running = isRunning(latest);
  const probe = latest === undefined ? undefined : observed.probes.get(latest.id);
  const started = running && (probe?.started ?? container.startupProbe === undefined);
  // An init container is ready when it is done; all others when they run and their probe says so.
  const ready = kind === "init" && !isSidecar(container)
    ? hasEnded(latest) && latest.exit?.code === 0
    : running && started && (probe?.ready ?? container.readinessProbe === undefined);
  return {
    name: container.name,
    image: container.image ?? "",
    imageID: latest?.imageDigest ?? latest?.imageId ?? "",
    ...(latest !== undefined && { containerID: `k3ts://${latest.id}` }),
    ready,
    started,
    restartCount: latest?.attempt ?? 0,
    state,
    lastState: last === undefined || !hasEnded(last) ? {} : stateOf(last),
  };
}

function stateOf(container: ObservedContainer): ContainerState {
  if (container.state === "running") {
    return { running: { startedAt: formatTime(container.startedAt ?? container.createdAt) } };
  }
  if (container.state === "created") return { waiting: { reason: "ContainerCreating" } };
  const exit = container.exit ?? { code: 137, signal: 0, oomKilled: false, finishedAt: container.createdAt };
  return {
    terminated: {
      exitCode: exit.code,
      ...(exit.signal !== 0 && { signal: exit.signal }),
      reason: exit.oomKilled ? "OOMKilled" : exit.code === 0 ? "Completed" : "Error",
      ...(exit.message !== undefined && exit.message !== "" && { message: exit.message }),
      startedAt: formatTime(container.startedAt ?? container.createdAt),
      finishedAt: formatTime(exit.finishedAt),
      containerID: `k3ts://${container.id}`,
    },
  };
}

function initDone(container: Container, status: ContainerStatus): boolean {
  if (isSidecar(container)) return status.started === true;
  return status.state?.terminated?.exitCode === 0;
}

function phaseOf(
  pod: Pod,
  inits: readonly Container[],
  initStatuses: readonly ContainerStatus[],
  statuses: readonly ContainerStatus[],
  before: Phase,
): Phase {
  // A pod that has ended stays ended, whatever becomes of its records.
  if (before === "Succeeded" || before === "Failed") return before;
  const policy = pod.spec?.restartPolicy ?? "Always";
  const pendingInit = initStatuses.some((status, i) => {
    if (initDone(inits[i]!, status) || isSidecar(inits[i]!)) return false;
    return !(status.state?.terminated !== undefined && policy === "Never");
  });
  const failedInit = initStatuses.some((status, i) => {
    return !isSidecar(inits[i]!) && policy === "Never" && (status.state?.terminated?.exitCode ?? 0) !== 0;
  });
  if (failedInit) return "Failed";
  const begun = statuses.some((status) => status.containerID !== undefined);
  if (pendingInit && !begun) return "Pending";
  if (statuses.some((status) => status.state?.waiting !== undefined && status.lastState?.terminated === undefined)) {
    return "Pending";
  }
  if (statuses.some((status) => status.state?.running !== undefined)) return "Running";
  if (policy === "Always") return "Running";
  const codes = statuses.map((status) => (status.state?.terminated ?? status.lastState?.terminated)?.exitCode ?? 1);
  const waits = statuses.some((status) => status.state?.waiting !== undefined);
  if (!waits && codes.every((code) => code === 0)) return "Succeeded";
  return policy === "Never" && !waits ? "Failed" : "Running";
}

interface Parts {
  phase: Phase;
  initialized: boolean;
  initStatuses: readonly ContainerStatus[];
  statuses: readonly ContainerStatus[];
}

function conditions(desired: DesiredPod, observed: ObservedPod, parts: Parts, now: number): PodCondition[] {
  const { pod } = desired;
  const succeeded = parts.phase === "Succeeded";
  const unready = parts.statuses.filter((status) => !status.ready).map((status) => status.name);
  const incomplete = parts.initialized ? [] : parts.initStatuses.filter((one) => !one.ready).map((one) => one.name);
  const over = succeeded ? "PodCompleted" : parts.phase === "Failed" ? "PodFailed" : undefined;
  const containersReady = over !== undefined
    ? no(over)
    : unready.length === 0
    ? yes()
    : no("ContainersNotReady", `containers with unready status: [${unready.join(" ")}]`);
  const gates = (pod.spec?.readinessGates ?? []).map((gate) => gate.conditionType)
    .filter((type) => pod.status?.conditions?.find((one) => one.type === type)?.status !== "True");
  const ready = containersReady.status === "True" && gates.length > 0
    ? no("ReadinessGatesNotReady", `corresponding condition of pod readiness gate "${gates[0]}" does not exist.`)
    : containersReady;
  const ours: Record<string, Verdict> = {
    PodReadyToStartContainers: observed.sandbox === undefined ? no() : yes(),
    Initialized: succeeded
      ? yes("PodCompleted")
      : incomplete.length === 0
      ? yes()
      : no("ContainersNotInitialized", `containers with incomplete status: [${incomplete.join(" ")}]`),
    Ready: ready,
    ContainersReady: containersReady,
    PodScheduled: yes(),
  };
  const others = (pod.status?.conditions ?? []).filter((one) => !Object.hasOwn(ours, one.type));
  const before = new Map((pod.status?.conditions ?? []).map((one) => [one.type, one]));
  return [...Object.entries(ours).map(([type, verdict]) => condition(type, verdict, before.get(type), now)), ...others];
}

interface Verdict {
  status: "True" | "False";
  reason?: string;
  message?: string;
}

function yes(reason?: string): Verdict {
  return { status: "True", ...(reason !== undefined && { reason }) };
}

function no(reason?: string, message?: string): Verdict {
  return { status: "False", ...(reason !== undefined && { reason }), ...(message !== undefined && { message }) };
}

/** Keeps the time of the last change while the answer stays the same. */
function condition(type: string, verdict: Verdict, before: PodCondition | undefined, now: number): PodCondition {
  const since = before?.status === verdict.status ? before.lastTransitionTime : undefined;
  return { type, ...verdict, lastTransitionTime: since ?? formatTime(now) };
}
