/** A pod as `kubectl get` shows it. */
import { isConditionTrue } from "../../meta.ts";
import { isSidecar, isTerminal } from "../../pods.ts";
import { ageOf, formatAge, parseTime } from "../../time.ts";
import type { ContainerStatus, Pod } from "../../types/mod.ts";
import { AGE_COLUMN, column, NAME_COLUMN } from "../define.ts";
import type { Cell, Column } from "../kind.ts";

export const POD_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  column("Ready", "How many of its containers are ready."),
  column("Status", "What it is doing, or what keeps it from it."),
  column("Restarts", "How often its containers were restarted, and when last."),
  AGE_COLUMN,
  column("IP", "Its address.", { wide: true }),
  column("Node", "The node it runs on.", { wide: true }),
  column("Nominated Node", "The node on which room is made for it.", { wide: true }),
  column("Readiness Gates", "How many of its further conditions hold.", { wide: true }),
];

export function podRow(pod: Pod, now: number): Cell[] {
  const { metadata, spec, status } = pod;
  const { ready, reason, restarts, lastRestart } = summarize(pod);
  const sidecars = (spec.initContainers ?? []).filter(isSidecar).length;
  const age = lastRestart > 0 ? ` (${formatAge(now - lastRestart)} ago)` : "";
  const gates = spec.readinessGates ?? [];
  const open = gates.filter(({ conditionType }) => isConditionTrue(status?.conditions, conditionType));
  return [
    metadata.name,
    `${ready}/${(spec.containers ?? []).length + sidecars}`,
    deletionReason(pod) ?? reason,
    restarts === 0 ? "0" : `${restarts}${age}`,
    ageOf(metadata.creationTimestamp, now),
    (status?.podIPs?.[0]?.ip ?? status?.podIP) || "<none>",
    spec.nodeName || "<none>",
    status?.nominatedNodeName || "<none>",
    gates.length === 0 ? "<none>" : `${open.length}/${gates.length}`,
  ];
}

interface Summary {
  ready: number;
  reason: string;
  restarts: number;
  /** ms since the epoch; 0 where none. */
  lastRestart: number;
}

function deletionReason(pod: Pod): string | undefined {
  if (pod.metadata.deletionTimestamp === undefined) return undefined;
  if (pod.status?.reason === "NodeLost") return "Unknown";
  return isTerminal(pod) ? undefined : "Terminating";
}

function summarize(pod: Pod): Summary {
  const { status } = pod;
  const phase = status?.reason || status?.phase || "";
  const isGated = status?.conditions?.some(({ type, reason }) =>
    type === "PodScheduled" && reason === "SchedulingGated"
  );
  const start = isGated ? "SchedulingGated" : phase;
  const init = summarizeInit(pod, start);
  const isInitialized = isConditionTrue(status?.conditions, "Initialized");
  return init.initializing && !isInitialized ? init : summarizeMain(pod, init);
}

interface InitSummary extends Summary {
  initializing: boolean;
  /** Of sidecars alone: what counts once the others are done. */
  sidecars: Pick<Summary, "restarts" | "lastRestart">;
}

function summarizeInit({ spec, status }: Pod, start: string): InitSummary {
  const statuses = status?.initContainerStatuses ?? [];
  const summary: InitSummary = {
    ready: 0,
    reason: start,
    restarts: 0,
    lastRestart: 0,
    initializing: false,
    sidecars: { restarts: 0, lastRestart: 0 },
  };
  for (const [index, container] of statuses.entries()) {
    const isSide = spec.initContainers?.some((each) => each.name === container.name && isSidecar(each)) ?? false;
    count(summary, container);
    if (isSide) count(summary.sidecars, container);
    if (container.state?.terminated?.exitCode === 0) continue;
    if (isSide && container.started) {
      if (container.ready) summary.ready++;
      continue;
    }
    summary.reason = initReason(container, index, spec.initContainers?.length ?? 0);
    summary.initializing = true;
    break;
  }
  return summary;
}

function initReason({ state }: ContainerStatus, index: number, total: number): string {
  if (state?.terminated !== undefined) return `Init:${endReason(state.terminated)}`;
  const waiting = state?.waiting?.reason;
  return waiting && waiting !== "PodInitializing" ? `Init:${waiting}` : `Init:${index}/${total}`;
}

function summarizeMain({ status }: Pod, init: InitSummary): Summary {
  const summary: Summary = { ready: init.ready, reason: init.reason, ...init.sidecars };
  let isRunning = false;
  let failure = "";
  for (const container of [...status?.containerStatuses ?? []].reverse()) {
    count(summary, container);
    const { state, ready } = container;
    if (state?.waiting?.reason) summary.reason = state.waiting.reason;
    else if (state?.terminated !== undefined) {
      summary.reason = endReason(state.terminated);
      if (state.terminated.exitCode !== 0) failure = summary.reason;
    } else if (ready && state?.running !== undefined) {
      isRunning = true;
      summary.ready++;
    }
  }
  if (summary.reason !== "Completed") return summary;
  if (isRunning && isConditionTrue(status?.conditions, "Ready")) summary.reason = "Running";
  else if (failure !== "") summary.reason = failure;
  else if (isRunning) summary.reason = "NotReady";
  return summary;
}

function endReason({ reason, signal, exitCode }: { reason?: string; signal?: number; exitCode: number }): string {
  return reason || (signal ? `Signal:${signal}` : `ExitCode:${exitCode ?? 0}`);
}

function count(summary: Pick<Summary, "restarts" | "lastRestart">, container: ContainerStatus): void {
  summary.restarts += container.restartCount ?? 0;
  const ended = container.lastState?.terminated?.finishedAt;
  if (ended) summary.lastRestart = Math.max(summary.lastRestart, parseTime(ended));
}
