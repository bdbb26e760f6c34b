/** A pod's conditions (docs: "Pod conditions"), in the kubelet's order and words. Pure. */
import {
  type Container,
  type ContainerStatus,
  formatTime,
  type Pod,
  type PodCondition,
  type PodStatus,
} from "@k3ts/model/objects";
import { isSidecar } from "./container_rules.ts";
import type { ObservedPod } from "./observed.ts";

export interface ConditionInput {
  phase: PodStatus["phase"];
  /** A container that is no init container was started once. */
  begun: boolean;
  initStatuses: readonly ContainerStatus[];
  statuses: readonly ContainerStatus[];
}

export function conditionsOf(pod: Pod, observed: ObservedPod, input: ConditionInput, now: number): PodCondition[] {
  const inits = pod.spec?.initContainers ?? [];
  const sidecars = input.initStatuses.filter((_, at) => isSidecar(inits[at]!));
  const unready = [...sidecars, ...input.statuses].filter((status) => !status.ready).map((status) => status.name);
  const over = input.phase === "Succeeded" ? "PodCompleted" : input.phase === "Failed" ? "PodFailed" : undefined;
  const containersReady = over !== undefined
    ? no(over)
    : unready.length === 0
    ? yes()
    : no("ContainersNotReady", `containers with unready status: [${unready.join(" ")}]`);
  const ours: Record<string, Verdict> = {
    PodReadyToStartContainers: observed.sandbox === undefined ? no() : yes(),
    Initialized: initialized(inits, input),
    Ready: containersReady.status === "True" ? gatesOpen(pod) : containersReady,
    ContainersReady: containersReady,
    PodScheduled: yes(),
  };
  const known = pod.status?.conditions ?? [];
  const others = known.filter((one) => !Object.hasOwn(ours, one.type));
  const before = new Map(known.map((one) => [one.type, one]));
  const generation = pod.metadata.generation;
  return [
    ...Object.entries(ours).map(([type, verdict]) => condition(type, verdict, before.get(type), generation, now)),
    ...others,
  ];
}

function initialized(inits: readonly Container[], { phase, begun, initStatuses }: ConditionInput): Verdict {
  if (phase === "Succeeded") return yes("PodCompleted");
  const incomplete = begun ? [] : initStatuses.filter((status, at) => !isDone(inits[at]!, status));
  if (incomplete.length === 0) return yes();
  return no(
    "ContainersNotInitialized",
    `containers with incomplete status: [${incomplete.map((one) => one.name).join(" ")}]`,
  );
}

function isDone(container: Container, status: ContainerStatus): boolean {
  return isSidecar(container) ? status.started === true : status.ready;
}

/** core/v1 PodSpec.readinessGates: conditions that others write. */
function gatesOpen(pod: Pod): Verdict {
  const closed = (pod.spec?.readinessGates ?? []).flatMap(({ conditionType }) => {
    const found = pod.status?.conditions?.find((one) => one.type === conditionType);
    if (found === undefined) {
      return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`];
    }
    if (found.status === "True") return [];
    return [`the status of pod readiness gate "${conditionType}" is not "True", but ${found.status}`];
  });
  return closed.length === 0 ? yes() : no("ReadinessGatesNotReady", closed.join(", "));
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
function condition(
  type: string,
  verdict: Verdict,
  before: PodCondition | undefined,
  generation: number | undefined,
  now: number,
): PodCondition {
  const since = before?.status === verdict.status ? before.lastTransitionTime : undefined;
  return {
    type,
    ...(generation !== undefined && { observedGeneration: generation }),
    ...verdict,
    lastTransitionTime: since ?? formatTime(now),
  };
}
