/** A pod's way out, and how any of its containers is stopped (docs: "Termination of Pods"). Pure. */
import { containerSpecOf, isRunning, isSidecar } from "./container_rules.ts";
import type { Draft } from "./draft.ts";
import type { ObservedContainer } from "./observed.ts";

/** For a pod that was deleted by force: nobody waits for it. */
const GRACE_SECONDS_GONE = 1;
/** What a container always has between being asked and being killed, however long its hook took. */
const GRACE_MS_MIN = 2000;
/** SIGKILL cannot be refused, but what sends it may have failed. */
const KILL_AGAIN_MS = 1000;

/** core/v1 PodSpec.terminationGracePeriodSeconds */
export function graceOf(plan: Draft): number {
  return plan.pod.metadata.deletionGracePeriodSeconds ?? plan.pod.spec?.terminationGracePeriodSeconds ?? 30;
}

/** Stops what runs, gives back what it held, keeps records and logs until the object is deleted. */
export function planRest(plan: Draft): void {
  if (stopAll(plan, graceOfEnd(plan))) return;
  releaseAll(plan);
}

/** The node needs at once what it has put a pod out for, also when that was ending already. */
function graceOfEnd(plan: Draft): number {
  if (plan.observed.evicted !== undefined) return 0;
  return plan.desired.gone ? GRACE_SECONDS_GONE : graceOf(plan);
}

/** Leave the Services, hooks, SIGTERM, grace, SIGKILL, clean up, tell the server. */
export function planEnd(plan: Draft): void {
  const { observed, desired } = plan;
  const anyRuns = observed.containers.some(isRunning);
  if (anyRuns && !observed.leftServices && plan.heldBack("leaveServices") === undefined) {
    plan.actions.push({ do: "leaveServices" });
    return;
  }
  if (stopAll(plan, graceOfEnd(plan))) return;
  if (releaseAll(plan)) return;
  if (!desired.gone) {
    if (!observed.forgotten && plan.heldBack("forget") === undefined) plan.actions.push({ do: "forget" });
  } else if (observed.files || observed.containers.length > 0) {
    if (plan.heldBack("removeFiles") === undefined) plan.actions.push({ do: "removeFiles" });
  }
}

/**
 * True while something still runs. The grace begins for all at once, and so do their hooks; sidecars are asked to end
 * after the containers that they serve, the last one first.
 */
function stopAll(plan: Draft, graceSeconds: number): boolean {
  const alive = plan.observed.containers.filter((one) => one.state === "running" || one.state === "created");
  const sidecars = (plan.pod.spec?.initContainers ?? []).filter(isSidecar).map((one) => one.name);
  const turn = Math.max(...alive.map((one) => turnOf(one, sidecars)));
  for (const one of alive) {
    stop(plan, one, {
      graceSeconds,
      because: `Stopping container ${one.container}`,
      waits: turnOf(one, sidecars) < turn,
    });
  }
  return alive.length > 0;
}

/** The highest goes first. */
function turnOf(one: ObservedContainer, sidecars: readonly string[]): number {
  const at = sidecars.indexOf(one.container);
  return at === -1 ? Infinity : at;
}

export interface Stop {
  graceSeconds: number;
  /** For people. */
  because: string;
  /** Others must end before it is asked to. */
  waits?: boolean;
}

/** Its hook, what it wants to be asked with, and SIGKILL when the grace has passed. */
export function stop(plan: Draft, one: ObservedContainer, { graceSeconds, because, waits = false }: Stop): void {
  if (one.state === "created") {
    if (plan.heldBack(one.container) === undefined) plan.actions.push({ do: "remove", id: one.id });
    return;
  }
  if (plan.heldBack(one.container) !== undefined) return;
  const graceEnds = (one.stoppingSince ?? plan.now.monotonic) + graceSeconds * 1000;
  // A hook that an agent before this one has begun is begun again, as the kubelet does.
  const lacksHook = one.hookRuns === undefined && one.askedAt === undefined && plan.now.monotonic < graceEnds &&
    containerSpecOf(plan.pod, one.container)?.lifecycle?.preStop !== undefined;
  if (one.stoppingSince === undefined || lacksHook) {
    plan.actions.push({ do: "stop", id: one.id, because, graceSeconds });
    return;
  }
  if (one.askedAt === undefined && graceSeconds > 0) {
    if ((one.hookRuns === true || waits) && plan.now.monotonic < graceEnds) plan.at(graceEnds);
    else plan.actions.push({ do: "signal", id: one.id, signal: "term" });
    return;
  }
  const killAt = graceSeconds > 0 ? Math.max(graceEnds, (one.askedAt ?? -Infinity) + GRACE_MS_MIN) : graceEnds;
  if (plan.now.monotonic < killAt) {
    plan.at(killAt);
    return;
  }
  const again = one.killedAt === undefined ? plan.now.monotonic : one.killedAt + KILL_AGAIN_MS;
  if (plan.now.monotonic < again) plan.at(again);
  else plan.actions.push({ do: "signal", id: one.id, signal: "kill" });
}

/** True while something is still held. In order: containers, volumes, namespaces. */
function releaseAll(plan: Draft): boolean {
  const { observed } = plan;
  const ended = observed.containers.filter((one) => one.state === "exited");
  if (ended.length > 0) {
    for (const one of ended) {
      if (plan.heldBack(one.container) === undefined) plan.actions.push({ do: "retire", id: one.id });
    }
    return true;
  }
  if (observed.volumes !== "unmounted") {
    if (plan.heldBack("volumes") === undefined) plan.actions.push({ do: "unmountVolumes" });
    return true;
  }
  if (observed.sandbox !== undefined) {
    if (plan.heldBack("sandbox") === undefined) plan.actions.push({ do: "removeSandbox" });
    return true;
  }
  return false;
}
