/**
 * Decides what one pod on this node needs next.
 *
 * Pure: no clock, no I/O, no memory between calls. The worker observes, calls {@link planPod}, does every action of
 * the plan (none depends on another of the same plan), observes again, and rests when a plan is empty. The same
 * code serves a first start, a restarted agent, a rebooted node and a pod's end.
 *
 * Behaviour follows Kubernetes 1.35 (docs: "Pod lifecycle", "Init containers", "Sidecar containers").
 */
import type { Container, Pod } from "@k3ts/model/objects";
import { nextBackoffMs } from "./backoff.ts";
import type { ContainerKind, Failure, ObservedContainer, ObservedPod } from "./observed.ts";
import { planStatus, type PodStatusPlan, type Waiting } from "./status.ts";

/** One thing to do. */
export type Action =
  /** Makes the namespaces and the network interface. */
  | { do: "createSandbox" }
  | { do: "removeSandbox" }
  | { do: "mountVolumes" }
  | { do: "unmountVolumes" }
  /** Begins to fetch an image; the worker is told when it is there. */
  | { do: "pull"; image: string }
  | { do: "start"; container: string; kind: ContainerKind; attempt: number; backoffMs?: number }
  /** Starts what was made but not started before the agent ended. */
  | { do: "resume"; id: string }
  | { do: "signal"; id: string; signal: number; because: string }
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
  /** When this node first saw the pod, ms since the epoch. */
  seenAt: number;
  /** Of this node; the pod's own when it uses the host's network. */
  hostAddress: string;
}

export interface PodPlan {
  actions: Action[];
  status: PodStatusPlan;
  /** When to plan again though nothing has changed, in ms since the epoch. */
  reconsiderAt?: number;
}

const SIGTERM = 15;
const SIGKILL = 9;
/** For a pod that was deleted by force: nobody waits for it. */
const GRACE_SECONDS_GONE = 1;
/** SIGKILL cannot be refused, but what sends it may have failed. */
const KILL_AGAIN_MS = 1000;

/** @param now ms since the epoch */
export function planPod(desired: DesiredPod, observed: ObservedPod, now: number): PodPlan {
  const plan = new Draft(desired, observed, now);
  if (desired.gone || desired.pod.metadata.deletionTimestamp !== undefined) planEnd(plan);
  else if (isTerminal(plan)) planRest(plan);
  else planRun(plan);
  return plan.finish();
}

/** What a plan is made of while it is being made. */
class Draft {
  readonly actions: Action[] = [];
  readonly waiting = new Map<string, Waiting>();
  reason?: { reason: string; message: string };
  #reconsiderAt?: number;
  constructor(readonly desired: DesiredPod, readonly observed: ObservedPod, readonly now: number) {}

  get pod(): Pod {
    return this.desired.pod;
  }

  latest(name: string): ObservedContainer | undefined {
    return latestAttempt(this.observed.containers, name);
  }

  at(time: number): void {
    this.#reconsiderAt = Math.min(this.#reconsiderAt ?? Infinity, time);
  }

  /** Whether something that failed must wait; then it is noted when it may be tried again. */
  heldBack(what: string): Failure | undefined {
    const failure = this.observed.failures.get(what);
    if (failure === undefined) return undefined;
    if (failure.retryAt > this.now) this.at(failure.retryAt);
    return failure.retryAt > this.now ? failure : undefined;
  }

  finish(): PodPlan {
    const status = planStatus(this.desired, this.observed, this.waiting, this.reason, this.now);
    return {
      actions: this.actions,
      status,
      ...(this.#reconsiderAt !== undefined && { reconsiderAt: this.#reconsiderAt }),
    };
  }
}

export function latestAttempt(containers: readonly ObservedContainer[], name: string): ObservedContainer | undefined {
  let latest: ObservedContainer | undefined;
  for (const one of containers) {
    if (one.container === name && (latest === undefined || one.attempt > latest.attempt)) latest = one;
  }
  return latest;
}

export function isRunning(
  container: ObservedContainer | undefined,
): container is ObservedContainer & { state: "running" } {
  return container?.state === "running";
}

export function hasEnded(
  container: ObservedContainer | undefined,
): container is ObservedContainer & { state: "exited" | "retired" } {
  return container?.state === "exited" || container?.state === "retired";
}

export function isSidecar(container: Container): boolean {
  return container.restartPolicy === "Always";
}

/** Whether an ended container is started again under the pod's restart policy. */
export function restarts(pod: Pod, kind: ContainerKind, container: Container, ended: ObservedContainer): boolean {
  if (kind === "init" && isSidecar(container)) return true;
  const policy = pod.spec?.restartPolicy ?? "Always";
  const failed = ended.exit?.code !== 0;
  if (policy === "Never") return false;
  return kind === "init" ? failed : policy === "Always" || failed;
}

/** Nothing of it will run again: it has succeeded, failed or outlived its deadline. */
function isTerminal(plan: Draft): boolean {
  const { pod, observed } = plan;
  const phase = pod.status?.phase;
  if (phase === "Succeeded" || phase === "Failed") return true;
  const deadline = pod.spec?.activeDeadlineSeconds;
  if (deadline !== undefined) {
    const at = plan.desired.seenAt + deadline * 1000;
    if (plan.now >= at) {
      plan.reason = {
        reason: "DeadlineExceeded",
        message: "Pod was active on the node longer than the specified deadline",
      };
      return true;
    }
    plan.at(at);
  }
  const inits = pod.spec?.initContainers ?? [];
  const brokenInit = inits.some((container) => {
    const latest = latestAttempt(observed.containers, container.name);
    return hasEnded(latest) && latest.exit?.code !== 0 && !restarts(pod, "init", container, latest);
  });
  if (brokenInit) return true;
  return (pod.spec?.containers ?? []).every((container) => {
    const latest = latestAttempt(observed.containers, container.name);
    return hasEnded(latest) && !restarts(pod, "app", container, latest);
  });
}

/** Stops what runs, gives back what it held, keeps records and logs until the object is deleted. */
function planRest(plan: Draft): void {
  if (stopAll(plan, plan.pod.spec?.terminationGracePeriodSeconds ?? 30)) return;
  releaseAll(plan);
}

/** A pod's end: leave the Services, SIGTERM, grace, SIGKILL, clean up, tell the server. */
function planEnd(plan: Draft): void {
  const { observed, desired, pod } = plan;
  const anyRuns = observed.containers.some(isRunning);
  if (anyRuns && !observed.leftServices && plan.heldBack("leaveServices") === undefined) {
    plan.actions.push({ do: "leaveServices" });
    return;
  }
  const graceSeconds = desired.gone
    ? GRACE_SECONDS_GONE
    : pod.metadata.deletionGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30;
  if (stopAll(plan, graceSeconds)) return;
  if (releaseAll(plan)) return;
  if (!desired.gone) {
    if (!observed.forgotten && plan.heldBack("forget") === undefined) plan.actions.push({ do: "forget" });
  } else if (observed.files || observed.containers.length > 0) {
    if (plan.heldBack("removeFiles") === undefined) plan.actions.push({ do: "removeFiles" });
  }
}

/** True while something still runs. Sidecars outlive the containers that they serve. */
function stopAll(plan: Draft, graceSeconds: number): boolean {
  const alive = plan.observed.containers.filter((one) => one.state === "running" || one.state === "created");
  const sidecars = new Set((plan.pod.spec?.initContainers ?? []).filter(isSidecar).map((one) => one.name));
  const main = alive.filter((one) => !sidecars.has(one.container));
  for (const one of main.length > 0 ? main : alive) stop(plan, one, graceSeconds, "the pod ends");
  return alive.length > 0;
}

/** SIGTERM, and SIGKILL when the grace has passed. */
function stop(plan: Draft, one: ObservedContainer, graceSeconds: number, because: string): void {
  if (one.state === "created") {
    if (plan.heldBack(one.container) === undefined) plan.actions.push({ do: "remove", id: one.id });
    return;
  }
  if (one.stoppingSince === undefined) {
    plan.actions.push({ do: "signal", id: one.id, signal: graceSeconds > 0 ? SIGTERM : SIGKILL, because });
    return;
  }
  const killAt = one.stoppingSince + graceSeconds * 1000;
  if (plan.now < killAt) {
    plan.at(killAt);
    return;
  }
  const again = one.killedAt === undefined ? plan.now : one.killedAt + KILL_AGAIN_MS;
  if (plan.now < again) plan.at(again);
  else plan.actions.push({ do: "signal", id: one.id, signal: SIGKILL, because: "its grace period has passed" });
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

/** Brings up what is missing, in order: sandbox and volumes and images, init containers, containers. */
function planRun(plan: Draft): void {
  const { observed, pod } = plan;
  if (observed.sandbox === undefined) {
    // What still runs lives in namespaces that nothing new can join.
    for (const one of observed.containers.filter(isRunning)) stop(plan, one, 0, "its sandbox is gone");
    if (plan.actions.length > 0) return;
    if (plan.heldBack("sandbox") === undefined) plan.actions.push({ do: "createSandbox" });
  }
  const old = observed.volumesRefreshAt !== undefined && observed.volumesRefreshAt <= plan.now;
  if (!observed.referencesKnown) {
    // The worker is told when the answers come.
  } else if ((observed.volumes !== "mounted" || old) && plan.heldBack("volumes") === undefined) {
    plan.actions.push({ do: "mountVolumes" });
  } else if (observed.volumesRefreshAt !== undefined) plan.at(observed.volumesRefreshAt);
  const initialized = planInits(plan);
  for (const container of pod.spec?.containers ?? []) {
    const latest = plan.latest(container.name);
    if (initialized) planContainer(plan, "app", container, latest);
    // While what comes first is made, the images that come next are fetched.
    else ensureImage(plan, container, latest);
  }
  dropOldAttempts(plan);
}

/** True when the containers may start. */
function planInits(plan: Draft): boolean {
  const { observed, pod } = plan;
  const inits = pod.spec?.initContainers ?? [];
  const since = observed.sandbox?.createdAt ?? Infinity;
  // Init containers are done when a container of this sandbox has started: their records may be gone.
  const begun = (pod.spec?.containers ?? []).some((one) => (plan.latest(one.name)?.createdAt ?? -1) >= since);
  for (const container of inits) {
    const latest = plan.latest(container.name);
    const counts = latest !== undefined && latest.createdAt >= since;
    if (isSidecar(container)) {
      planContainer(plan, "init", container, latest);
      const up = counts && isRunning(latest) && (observed.probes.get(latest.id)?.started ?? true);
      if (!up && !begun) return false;
      continue;
    }
    if (begun || (counts && hasEnded(latest) && latest.exit?.code === 0)) continue;
    planContainer(plan, "init", container, counts ? latest : undefined);
    return false;
  }
  return observed.sandbox !== undefined || inits.length === 0;
}

/** Starts, restarts or stops one container. `counted` is its newest attempt as far as it counts. */
function planContainer(
  plan: Draft,
  kind: ContainerKind,
  container: Container,
  counted: ObservedContainer | undefined,
): void {
  const { observed, pod, now } = plan;
  if (counted?.state === "created") {
    const held = plan.heldBack(container.name);
    if (held !== undefined) plan.waiting.set(container.name, held);
    else plan.actions.push({ do: "resume", id: counted.id });
    return;
  }
  if (isRunning(counted)) {
    const probe = observed.probes.get(counted.id);
    const grace = pod.spec?.terminationGracePeriodSeconds ?? 30;
    if (counted.stoppingSince !== undefined) stop(plan, counted, grace, "it is being stopped");
    else if (counted.image !== container.image) stop(plan, counted, grace, "its image has changed");
    else if (probe?.alive === false) stop(plan, counted, grace, probe.message ?? "its liveness probe failed");
    return;
  }
  if (hasEnded(counted) && !restarts(pod, kind, container, counted)) {
    if (counted.state === "exited" && plan.heldBack(container.name) === undefined) {
      plan.actions.push({ do: "retire", id: counted.id });
    }
    return;
  }
  const attempt = (plan.latest(container.name)?.attempt ?? -1) + 1;
  const backoffMs = counted === undefined ? undefined : nextBackoffMs(counted);
  const at = (counted?.exit?.finishedAt ?? 0) + (backoffMs ?? 0);
  if (backoffMs !== undefined && at > now) {
    plan.at(at);
    plan.waiting.set(container.name, {
      reason: "CrashLoopBackOff",
      message: `back-off ${
        describe(backoffMs)
      } restarting failed container=${container.name} pod=${pod.metadata.name}_${
        pod.metadata.namespace ?? "default"
      }(${pod.metadata.uid})`,
    });
    return;
  }
  const imageReady = ensureImage(plan, container, counted);
  const held = plan.heldBack(container.name);
  if (held !== undefined) plan.waiting.set(container.name, held);
  if (!imageReady || held !== undefined || observed.sandbox === undefined) return;
  if (!observed.referencesKnown || observed.volumes !== "mounted") return;
  plan.actions.push({
    do: "start",
    container: container.name,
    kind,
    attempt,
    ...(backoffMs !== undefined && { backoffMs }),
  });
}

/** True when the image is there; else sees to it and says what the container waits for. */
function ensureImage(plan: Draft, container: Container, latest: ObservedContainer | undefined): boolean {
  const reference = container.image ?? "";
  const image = plan.observed.images.get(reference) ?? { state: "absent" };
  const policy = pullPolicyOf(container);
  if (image.state === "present") return true;
  if (image.state === "failed") {
    plan.waiting.set(container.name, image.failure);
    if (image.failure.retryAt > plan.now) {
      plan.at(image.failure.retryAt);
      return false;
    }
  }
  if (image.state === "pulling") return false;
  if (policy === "Never") {
    plan.waiting.set(container.name, {
      reason: "ErrImageNeverPull",
      message: `Container image "${reference}" is not present with pull policy of Never`,
    });
    return false;
  }
  if (!isRunning(latest) && !plan.actions.some((one) => one.do === "pull" && one.image === reference)) {
    plan.actions.push({ do: "pull", image: reference });
  }
  return false;
}

/** Always for `:latest` and no tag, IfNotPresent for the rest (core/v1 Container.imagePullPolicy). */
export function pullPolicyOf(container: Container): "Always" | "IfNotPresent" | "Never" {
  const policy = container.imagePullPolicy;
  if (policy === "Always" || policy === "IfNotPresent" || policy === "Never") return policy;
  const reference = container.image ?? "";
  const tag = /:([^/@]+)$/.exec(reference)?.[1];
  return reference.includes("@") || (tag !== undefined && tag !== "latest") ? "IfNotPresent" : "Always";
}

/** Of each container its newest attempt and the one before stay: what `lastState` and `logs --previous` need. */
function dropOldAttempts(plan: Draft): void {
  for (const one of plan.observed.containers) {
    const latest = plan.latest(one.container);
    if (latest === undefined || !hasEnded(one) || one.id === latest.id || plan.heldBack(one.container)) continue;
    if (one.attempt < latest.attempt - 1) plan.actions.push({ do: "remove", id: one.id });
    else if (one.state === "exited") plan.actions.push({ do: "retire", id: one.id });
  }
}

/** As Go writes durations: 10s, 1m20s, 5m0s. */
function describe(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
