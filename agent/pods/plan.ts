/**
 * Decides what one pod on this node needs next.
 *
 * Pure: no clock, no I/O, no memory between calls. The worker observes, calls {@link planPod}, does every action of
 * the plan (none depends on another of the same plan), observes again, and rests when a plan is empty. The same
 * code serves a first start, a restarted agent, a rebooted node and a pod's end.
 *
 * Behaviour follows Kubernetes 1.35 (docs: "Pod lifecycle", "Init containers", "Sidecar containers").
 */
import type { Moment, MonotonicTime, Pod, WallTime } from "@k3ts/model/objects";
import { sysctlRefusal } from "../runtime/sysctls.ts";
import { exitCodeOf, hasEnded, latestAttempt, restarts } from "./container_rules.ts";
import { Draft } from "./draft.ts";
import type { ContainerKind, ObservedPod } from "./observed.ts";
import { planEnd, planRest } from "./plan_end.ts";
import { planRun } from "./plan_run.ts";
import type { PodStatusPlan } from "./status.ts";

/** One thing to do. */
export type Action =
  /** Makes the namespaces and the network interface. */
  | { do: "createSandbox" }
  | { do: "removeSandbox" }
  | { do: "mountVolumes" }
  | { do: "unmountVolumes" }
  /** Begins to fetch an image; the worker is told when it is there. */
  | { do: "pull"; image: string; container?: string }
  /** `replaces`: one that ran until its definition was changed, which for whoever looks on goes on. */
  | { do: "start"; container: string; kind: ContainerKind; attempt: number; backoffMs?: number; replaces?: true }
  /** Starts what was made but not started before the agent ended. */
  | { do: "resume"; id: string }
  /** The grace of a container begins, and with it its preStop hook, if it has one and `graceSeconds` to run it in. */
  | { do: "stop"; id: string; because: string; graceSeconds: number }
  /** `term`: what the container or its image wants to be asked to end with. */
  | { do: "signal"; id: string; signal: "term" | "kill" }
  /** Gives back what an ended container holds; its record and log stay. */
  | { do: "retire"; id: string }
  | { do: "remove"; id: string }
  /** Takes the pod out of the rules of this node, so that its end fails no new connection. */
  | { do: "leaveServices" }
  /** Tells the server the last status, then that nothing of the pod is left. */
  | { do: "forget" }
  | { do: "removeFiles" };

export interface DesiredPod {
  pod: Pod;
  /** The server has no such pod any more: there is nobody to report to. */
  gone: boolean;
  /** When this node first saw the pod. */
  seenAt: WallTime;
  /** Of this node; the pod's own when it uses the host's network. */
  hostAddress: string;
}

/** Something that people are told, as an Event of the pod; once for each key. */
export interface Notice {
  key: string;
  type: "Normal" | "Warning";
  reason: string;
  message: string;
  container?: string;
}

export interface PodPlan {
  actions: Action[];
  status: PodStatusPlan;
  notices: Notice[];
  /** When to plan again though nothing has changed. */
  reconsiderAt?: MonotonicTime;
}

export function planPod(desired: DesiredPod, observed: ObservedPod, now: Moment): PodPlan {
  const plan = new Draft(desired, observed, now);
  if (desired.gone || desired.pod.metadata.deletionTimestamp !== undefined) planEnd(plan);
  else if (isTerminal(plan)) planRest(plan);
  else planRun(plan);
  return plan.finish();
}

/** Nothing of it will run again: it has succeeded, failed, been refused or put out, or outlived its deadline. */
function isTerminal(plan: Draft): boolean {
  const { pod, observed } = plan;
  const phase = pod.status?.phase;
  if (phase === "Succeeded" || phase === "Failed") return true;
  const refused = observed.evicted ?? sysctlRefusal(pod);
  if (refused !== undefined) {
    plan.ended = refused;
    plan.notice({ key: refused.reason, type: "Warning", ...refused });
    return true;
  }
  if (hasOutlived(plan)) return true;
  const inits = pod.spec?.initContainers ?? [];
  const brokenInit = inits.some((container) => {
    const latest = latestAttempt(observed.containers, container.name);
    return hasEnded(latest) && exitCodeOf(latest) !== 0 && !restarts(pod, "init", container, exitCodeOf(latest));
  });
  if (brokenInit) return true;
  return (pod.spec?.containers ?? []).every((container) => {
    const latest = latestAttempt(observed.containers, container.name);
    return hasEnded(latest) && !restarts(pod, "app", container, exitCodeOf(latest));
  });
}

/** core/v1 PodSpec.activeDeadlineSeconds, counted from the status's startTime. */
function hasOutlived(plan: Draft): boolean {
  const { pod, observed, now } = plan;
  const deadline = pod.spec?.activeDeadlineSeconds;
  if (deadline === undefined) return false;
  const at = observed.begunAt + deadline * 1000;
  if (now.monotonic < at) {
    plan.at(at);
    return false;
  }
  const ended = {
    reason: "DeadlineExceeded",
    message: "Pod was active on the node longer than the specified deadline",
  };
  plan.ended = ended;
  plan.notice({ key: ended.reason, type: "Normal", ...ended });
  return true;
}
