/**
 * Decides what a Job does next: which pods to make, to take away and to let go, and what the status says. Pure, and a
 * step at a time: what rests on something having been written waits until it has been seen.
 *
 * Behaviour follows Kubernetes 1.35 (docs: "Jobs"; KEP-2307 tracking with finalizers, KEP-2214 indexed, KEP-3850
 * limits per index, KEP-3329 pod failure policy, KEP-3998 success policy, KEP-3939 replacement policy).
 */
import {
  controllerOf,
  findCondition,
  formatTime,
  isReady,
  type Job,
  type JobCondition,
  type JobStatus,
  matches,
  type Pod,
} from "@k3ts/model/objects";
import { count } from "./count.ts";
import { COMPLETE, deadlineOf, type End, endOf, isFinished } from "./finish.ts";
import { countOf } from "./intervals.ts";
import { manage, type Management, type NewPod } from "./manage.ts";
import { observe, type Round } from "./round.ts";

export type JobAction =
  /** Held by the finalizer from then on, or no more. */
  | { do: "adopt" | "release"; pod: Pod }
  | { do: "create"; pod: NewPod }
  /** It has been counted. */
  | { do: "free"; pod: Pod }
  /** Its end counts. */
  | { do: "end"; pod: Pod; because: string }
  /** Its end does not count. */
  | { do: "withdraw"; pod: Pod; because: string }
  | { do: "tell"; type: "Normal" | "Warning"; reason: string; message: string };

export interface JobPlan {
  actions: JobAction[];
  status: JobStatus;
  reconsiderAt?: number;
}

const OWN_MANAGER = "kubernetes.io/job-controller";

/** Others may manage Jobs, and say which (KEP-4368). */
export function isOurs({ spec }: Job): boolean {
  return spec.managedBy === undefined || spec.managedBy === OWN_MANAGER;
}

/**
 * @param pods every pod in its namespace that it controls, or that its selector picks and that has no controller
 * @param now ms since the epoch
 */
export function planJob(job: Job, pods: readonly Pod[], now: number): JobPlan {
  if (isFinished(job) || !isOurs(job)) return { actions: [], status: job.status ?? {} };
  const { claims, owned } = claim(job, pods);
  if (claims.length > 0) return { actions: claims, status: job.status ?? {} };
  const round = observe(job, owned, now);
  const end = endOf(round);
  return end === undefined ? goOn(round) : finish(round, end, { creates: [], deletes: [] });
}

function claim(job: Job, pods: readonly Pod[]): { claims: JobAction[]; owned: Pod[] } {
  const claims: JobAction[] = [];
  const owned: Pod[] = [];
  const isGoing = job.metadata.deletionTimestamp !== undefined;
  for (const pod of pods) {
    const controller = controllerOf(pod);
    if (controller !== undefined && controller.uid !== job.metadata.uid) continue;
    const selected = matches(job.spec.selector, pod.metadata.labels);
    if (controller !== undefined && selected) owned.push(pod);
    if (controller !== undefined && !selected) claims.push({ do: "release", pod });
    const isFree = controller === undefined && pod.metadata.deletionTimestamp === undefined;
    if (isFree && selected && !isGoing) claims.push({ do: "adopt", pod });
  }
  return { claims, owned };
}

function goOn(round: Round): JobPlan {
  const { job } = round;
  const isGoing = job.metadata.deletionTimestamp !== undefined;
  const management = isGoing ? { creates: [], deletes: [] } : manage(round);
  return isComplete(round, management) ? finish(round, COMPLETE, management) : carryOn(round, management, isGoing);
}

/** As many as were wanted have succeeded, and none is left that works on. */
function isComplete({ job, active, succeeded, indexes }: Round, { creates, deletes }: Management): boolean {
  const done = indexes === undefined ? succeeded : countOf(indexes.succeeded);
  const { completions } = job.spec;
  const isIdle = active.length - deletes.length + creates.length === 0;
  return isIdle && (completions === undefined ? done > 0 : done >= completions);
}

function carryOn(round: Round, management: Management, isGoing: boolean): JobPlan {
  const { job, now } = round;
  const startTime = job.status?.startTime ?? (job.spec.suspend === true ? undefined : formatTime(now));
  const suspension = isGoing ? { actions: [], status: {} } : suspend(job, now);
  const begun = { ...job, status: { ...job.status, startTime, ...suspension.status } };
  const { actions, status } = tally({ ...round, job: begun }, undefined, management, []);
  const wakes = [management.reconsiderAt, deadlineOf(begun)].filter((at) => at !== undefined);
  return {
    actions: [...actions, ...suspension.actions],
    status,
    ...(wakes.length > 0 && { reconsiderAt: Math.min(...wakes) }),
  };
}

/** A Job that is suspended says so; one that goes on begins anew, as to its deadline. */
function suspend(job: Job, now: number): { actions: JobAction[]; status: Partial<JobStatus> } {
  const before = findCondition(job.status?.conditions, "Suspended");
  const isSuspended = job.spec.suspend === true;
  if ((before?.status === "True") === isSuspended) return { actions: [], status: {} };
  const [reason, message] = isSuspended ? ["Suspended", "Job suspended"] : ["Resumed", "Job resumed"];
  const condition = conditionOf("Suspended", isSuspended ? "True" : "False", `Job${reason}`, message, now);
  return {
    actions: [{ do: "tell", type: "Normal", reason, message }],
    status: {
      conditions: withCondition(job.status?.conditions, condition),
      ...(!isSuspended && { startTime: formatTime(now) }),
    },
  };
}

/** Told first, then the pods that are left are ended, and when all is counted it is over. */
function finish(round: Round, end: End, management: Management): JobPlan {
  const { job, now } = round;
  const startTime = job.status?.startTime ?? (job.spec.suspend === true ? undefined : formatTime(now));
  const begun = { ...round, job: { ...job, status: { ...job.status, startTime } } };
  const ending = end.isTold ? round.active : [];
  const { actions, status, isPending } = tally(begun, end, management, ending);
  if (!end.isTold) {
    const condition = conditionOf(end.type, "True", end.reason, end.message, now);
    return { actions, status: { ...status, conditions: withCondition(status.conditions, condition) } };
  }
  if (isPending || (status.terminating ?? 0) > 0 || (status.active ?? 0) > 0) return { actions, status };
  const succeeded = end.type === "SuccessCriteriaMet";
  const last = conditionOf(succeeded ? "Complete" : "Failed", "True", end.reason, end.message, now);
  return {
    actions: [...actions, ...obituary(job, status, end)],
    status: {
      ...status,
      conditions: withCondition(status.conditions, last),
      ...(succeeded && { completionTime: last.lastTransitionTime }),
    },
  };
}

function obituary({ spec }: Job, { succeeded = 0 }: JobStatus, { type, reason, message }: End): JobAction[] {
  if (type === "FailureTarget") return [{ do: "tell", type: "Warning", reason, message }];
  const completed: JobAction = { do: "tell", type: "Normal", reason: "Completed", message: "Job completed" };
  if (spec.completions === undefined || succeeded <= spec.completions) return [completed];
  const tooMany = "Too many succeeded pods running after completion count reached";
  return [{ do: "tell", type: "Warning", reason: "TooManySucceededPods", message: tooMany }, completed];
}

/** What is done with pods, and the numbers that follow. */
function tally(
  round: Round,
  end: End | undefined,
  { creates, deletes }: Management,
  ending: readonly Pod[],
): { actions: JobAction[]; status: JobStatus; isPending: boolean } {
  const { job, active, ready, leaving } = round;
  const going = new Set([...deletes, ...ending]);
  const counting = count(round, end, going);
  const { completionTime: _, ...before } = job.status ?? {};
  return {
    actions: [
      ...deletes.map((pod): JobAction => ({ do: "withdraw", pod, because: "the Job has too many pods" })),
      ...ending.map((pod): JobAction => ({ do: "end", pod, because: "the Job has come to its end" })),
      ...creates.map((pod): JobAction => ({ do: "create", pod })),
      ...counting.freed.map((pod): JobAction => ({ do: "free", pod })),
    ],
    status: withoutZeros({
      ...before,
      ...counting.status,
      active: active.length - going.size + creates.length,
      ready: ready - [...going].filter(isReady).length,
      terminating: leaving + going.size,
    }),
    isPending: counting.isPending,
  };
}

/** As Kubernetes writes it: of none, these are left out. */
function withoutZeros(status: JobStatus): JobStatus {
  const { active, succeeded, failed, completedIndexes, startTime, ...rest } = status;
  return {
    ...rest,
    ...(startTime !== undefined && { startTime }),
    ...(active && { active }),
    ...(succeeded && { succeeded }),
    ...(failed && { failed }),
    ...(completedIndexes && { completedIndexes }),
  };
}

function conditionOf(type: string, status: string, reason: string, message: string, now: number) {
  const time = formatTime(now);
  return { type, status, lastProbeTime: time, lastTransitionTime: time, reason, message };
}

function withCondition(conditions: readonly JobCondition[] | undefined, condition: JobCondition): JobCondition[] {
  const known = conditions ?? [];
  if (!known.some(({ type }) => type === condition.type)) return [...known, condition];
  return known.map((each) => each.type === condition.type ? condition : each);
}
