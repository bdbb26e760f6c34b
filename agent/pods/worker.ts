/**
 * Follows one pod: observe, plan, do, until a plan is empty; then rest until something changes or a time comes.
 *
 * Serial: one round at a time. Long work (fetching images) is only begun here. What fails is held back with a backoff
 * of its own, so that the rest goes on.
 */
import { currentTrace, explain, type Log, traced, untraced, withinTrace } from "@k3ts/client/telemetry";
import { type Clock, momentOf, type MonotonicTime } from "@k3ts/model/objects";
import { ConfigError } from "./config_error.ts";
import type { Failure, ObservedPod } from "./observed.ts";
import { type Action, type DesiredPod, planPod, type PodPlan } from "./plan.ts";
import { podName } from "./text.ts";

/** What a worker can see and do on this node. */
export interface Machine {
  /** Everything but what the worker itself knows: what failed. */
  observe(desired: DesiredPod): Promise<Omit<ObservedPod, "failures">>;
  perform(action: Action, desired: DesiredPod, plan: PodPlan): Promise<void>;
  /** Hands on the status that the plan computed. */
  report(desired: DesiredPod, plan: PodPlan): void;
  /** Tells people, as an Event of the pod, or of a container of it. */
  warn(desired: DesiredPod, reason: string, message: string, container?: string): void;
}

const RETRY_MS_FIRST = 1_000;
const RETRY_MS_MAX = 60_000;
/** A plan that never empties is a mistake in it: it must not take the machine with it. */
const ROUNDS_MAX = 200;
/** What a pod does later than this after a change is not because of it. */
const TRACE_MS = 60_000;

export class PodWorker {
  readonly done: Promise<void>;
  #desired: DesiredPod;
  readonly #machine: Machine;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #failures = new Map<string, Failure & { tries: number }>();
  /** There is a reason to look again. */
  #poked = false;
  /** Of the newest change of the pod, which all that follows from it soon is a part of. */
  #trace: { of: string; until: MonotonicTime } = { of: "", until: 0 };
  /** When the round began that is under way. */
  #roundAt: MonotonicTime | undefined;
  /** Ends the rest, while there is one. */
  #wake: (() => void) | undefined;

  constructor(desired: DesiredPod, machine: Machine, clock: Clock, log: Log, signal: AbortSignal) {
    this.#desired = desired;
    this.#machine = machine;
    this.#clock = clock;
    this.#log = log;
    this.#noteTrace();
    // It goes on for long after the change that began it.
    this.done = untraced(() => this.#run(signal));
  }

  get desired(): DesiredPod {
    return this.#desired;
  }

  set desired(desired: DesiredPod) {
    this.#desired = desired;
    this.#noteTrace();
    this.poke();
  }

  /** For how long the round that is under way has been, in ms. */
  get busyMs(): number {
    return this.#roundAt === undefined ? 0 : this.#clock.monotonic() - this.#roundAt;
  }

  #noteTrace(): void {
    const of = currentTrace();
    if (of !== "") this.#trace = { of, until: this.#clock.monotonic() + TRACE_MS };
  }

  #traceNow(): string {
    return this.#clock.monotonic() < this.#trace.until ? this.#trace.of : "";
  }

  /** Something has changed. Any number of these before the next round are one. */
  poke(): void {
    this.#poked = true;
    this.#wake?.();
  }

  /** What failed may be tried at once, as what it depends on has changed. */
  forgive(): void {
    this.#failures.clear();
    this.poke();
  }

  /** Ends when nothing of a pod that is gone is left, or with the signal. */
  async #run(signal: AbortSignal): Promise<void> {
    for (let rounds = 1; !signal.aborted; rounds++) {
      this.#poked = false;
      let plan: PodPlan | undefined;
      try {
        this.#roundAt = this.#clock.monotonic();
        plan = await this.#round().finally(() => this.#roundAt = undefined);
        if (plan === undefined) return;
      } catch (error) {
        this.#log.error("Cannot look after a pod", error, { pod: podName(this.#desired.pod) });
      }
      if (plan !== undefined && plan.actions.length > 0 && rounds < ROUNDS_MAX) continue;
      rounds = 0;
      const at = plan === undefined || plan.actions.length > 0
        ? this.#clock.monotonic() + RETRY_MS_FIRST
        : plan.reconsiderAt;
      await this.#rest(at, signal);
    }
  }

  /** Undefined when the worker has nothing left to follow. */
  async #round(): Promise<PodPlan | undefined> {
    const desired = this.#desired;
    const seen = await this.#machine.observe(desired);
    const observed: ObservedPod = { ...seen, failures: this.#failures };
    const plan = planPod(desired, observed, momentOf(this.#clock));
    // As in the kubelet nobody is told of the moment between two definitions of a container.
    const replaces = plan.actions.some((action) => action.do === "start" && action.replaces);
    if (!desired.gone && !replaces) withinTrace(this.#traceNow(), () => this.#machine.report(desired, plan));
    if (desired.gone && plan.actions.length === 0 && !observed.files && observed.containers.length === 0) {
      return undefined;
    }
    await Promise.all(plan.actions.map((action) => this.#perform(action, desired, plan)));
    return plan;
  }

  async #perform(action: Action, desired: DesiredPod, plan: PodPlan): Promise<void> {
    const what = subjectOf(action, desired);
    const fields = { pod: podName(desired.pod), ...("container" in action && { container: action.container }) };
    const began = this.#clock.monotonic();
    try {
      await traced(
        this.#traceNow(),
        `pod ${action.do}`,
        fields,
        () => this.#machine.perform(action, desired, plan),
      );
      this.#log.debug(`Did ${action.do} for a pod`, { ...fields, ms: Math.round(this.#clock.monotonic() - began) });
      this.#failures.delete(what);
    } catch (error) {
      const tries = (this.#failures.get(what)?.tries ?? 0) + 1;
      const wait = Math.min(RETRY_MS_FIRST * 2 ** (tries - 1), RETRY_MS_MAX);
      const message = wordsOf(error);
      const reason = reasonOf(action, error);
      this.#failures.set(what, { reason, message, retryAt: this.#clock.monotonic() + wait, tries });
      this.#log.error(`Cannot ${action.do} for a pod`, error, fields);
      this.#warn(action, desired, message);
    }
  }

  /** In the words that users of the kubelet look for. */
  #warn(action: Action, desired: DesiredPod, message: string): void {
    switch (action.do) {
      case "createSandbox":
        return this.#machine.warn(desired, "FailedCreatePodSandBox", `Failed to create pod sandbox: ${message}`);
      case "mountVolumes":
        return this.#machine.warn(desired, "FailedMount", message);
      case "start":
        return this.#machine.warn(desired, "Failed", `Error: ${message}`, action.container);
      case "resume":
        return this.#machine.warn(desired, "Failed", `Error: ${message}`, containerOf(action.id, desired));
      case "stop":
      case "signal":
      case "retire":
        return this.#machine.warn(desired, "FailedKillPod", `error killing pod: ${message}`);
      default:
        return this.#machine.warn(desired, "FailedSync", message);
    }
  }

  async #rest(at: MonotonicTime | undefined, signal: AbortSignal): Promise<void> {
    if (this.#poked || signal.aborted) return;
    const woken = Promise.withResolvers<void>();
    const wait = at === undefined ? undefined : restMs(at - this.#clock.monotonic());
    const wake = () => woken.resolve();
    const callOff = wait === undefined ? undefined : this.#clock.after(wait, wake);
    signal.addEventListener("abort", wake);
    this.#wake = wake;
    await woken.promise;
    this.#wake = undefined;
    signal.removeEventListener("abort", wake);
    callOff?.();
  }
}

/**
 * @returns how long to wait, ms. What is long is made whole seconds: Deno keeps something of every length of timer that
 * was cancelled until that time is over.
 */
function restMs(ms: number): number {
  return ms < 10_000 ? Math.max(0, ms) : Math.ceil(ms / 1000) * 1000;
}

/** What a failure is filed under: where the planner looks for it. */
function subjectOf(action: Action, desired: DesiredPod): string {
  switch (action.do) {
    case "createSandbox":
    case "removeSandbox":
      return "sandbox";
    case "mountVolumes":
    case "unmountVolumes":
      return "volumes";
    case "start":
      return action.container;
    case "resume":
    case "stop":
    case "signal":
    case "retire":
    case "remove":
      return containerOf(action.id, desired);
    case "pull":
      return `image ${action.image}`;
    case "leaveServices":
    case "forget":
    case "removeFiles":
      return action.do;
  }
}

/** A container's name out of its id. */
function containerOf(id: string, { pod }: DesiredPod): string {
  return id.slice(pod.metadata.uid.length + 1).replace(/-\d+$/, "");
}

/** Without the code of a call to the native parts, which says nothing to people. */
function wordsOf(error: unknown): string {
  return explain(error).replace(/^\[[a-z_]+\] /, "");
}

function reasonOf(action: Action, error: unknown): string {
  if (error instanceof ConfigError) return "CreateContainerConfigError";
  return action.do === "start"
    ? "CreateContainerError"
    : action.do === "resume"
    ? "RunContainerError"
    : "ContainerCreating";
}
