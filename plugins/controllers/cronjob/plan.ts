/**
 * Decides which Job of a CronJob is due, and which are old. Pure.
 *
 * Behaviour follows Kubernetes 1.35 (docs: "CronJob"; KEP-19, KEP-3140 time zones).
 */
import {
  controllerOf,
  type CronJob,
  findCondition,
  formatTime,
  isConditionTrue,
  isTimeZone,
  type Job,
  parseSchedule,
  parseTime,
  type Schedule,
  ScheduleError,
} from "@k3ts/model/objects";

export type CronJobAction =
  | { do: "create"; name: string; due: number }
  | { do: "delete"; job: Job; because: string }
  | { do: "tell"; type: "Normal" | "Warning"; reason: string; message: string };

export interface CronJobPlan {
  actions: CronJobAction[];
  status: NonNullable<CronJob["status"]>;
  reconsiderAt?: number;
}

/** So that a clock that is a little slow does not look too early. */
const PADDING_MS = 100;
/** So many missed at once that something must be wrong. */
const MISSED_MAX = 100;
/** Jobs are named after the minute in which they are due. */
const MINUTE_MS = 60_000;

/** @param jobs all of its namespace */
export function planCronJob(cronJob: CronJob, jobs: readonly Job[], now: number): CronJobPlan {
  const own = jobs.filter((job) => controllerOf(job)?.uid === cronJob.metadata.uid);
  const { actions, status } = takeStock(cronJob, own);
  const history = surplus(cronJob, own);
  const begun: CronJobPlan = { actions: [...history, ...actions], status };
  if (cronJob.metadata.deletionTimestamp !== undefined) return begun;
  const schedule = scheduleOf(cronJob);
  if ("told" in schedule) return { ...begun, actions: [...begun.actions, schedule.told] };
  if (cronJob.spec.suspend === true) return begun;
  return start(cronJob, jobs, schedule, begun, now);
}

/** Which of its Jobs run, which have ended since, and when one last succeeded. */
function takeStock(cronJob: CronJob, own: readonly Job[]): CronJobPlan {
  const before = cronJob.status ?? {};
  const actions: CronJobAction[] = [];
  const known = new Map((before.active ?? []).map((reference) => [reference.uid, reference]));
  const running = own.filter((job) => !isOver(job) && (known.has(job.metadata.uid) || isDue(job, cronJob)));
  const found = new Map(own.map((job) => [job.metadata.uid, job]));
  for (const { uid, name } of known.values()) {
    const job = found.get(uid ?? "");
    if (job === undefined) {
      actions.push({ do: "tell", type: "Normal", reason: "MissingJob", message: `Active job went missing: ${name}` });
    } else if (isOver(job)) {
      const condition = isConditionTrue(job.status?.conditions, "Complete") ? "Complete" : "Failed";
      const message = `Saw completed job: ${name}, condition: ${condition}`;
      actions.push({ do: "tell", type: "Normal", reason: "SawCompletedJob", message });
    }
  }
  const successes = own.filter((job) => isConditionTrue(job.status?.conditions, "Complete"))
    .flatMap(({ status }) => status?.completionTime ?? []);
  const last = [before.lastSuccessfulTime, ...successes].filter((time) => time !== undefined)
    .sort((a, b) => parseTime(b) - parseTime(a))[0];
  return {
    actions,
    status: {
      ...(running.length > 0 && { active: running.map((job) => known.get(job.metadata.uid) ?? referenceTo(job)) }),
      ...(before.lastScheduleTime !== undefined && { lastScheduleTime: before.lastScheduleTime }),
      ...(last !== undefined && { lastSuccessfulTime: last }),
    },
  };
}

function referenceTo({ metadata }: Job) {
  const { namespace, name, uid, resourceVersion } = metadata;
  return { kind: "Job", namespace, name, uid, apiVersion: "batch/v1", resourceVersion };
}

/** Made for a time of the schedule, and not by hand. */
function isDue({ metadata }: Job, cronJob: CronJob): boolean {
  const minutes = metadata.name.slice(cronJob.metadata.name.length + 1);
  return metadata.name === `${cronJob.metadata.name}-${minutes}` && /^\d+$/.test(minutes);
}

function isOver({ status }: Job): boolean {
  return isConditionTrue(status?.conditions, "Complete") || isConditionTrue(status?.conditions, "Failed");
}

/** Jobs that have ended, beyond those that are kept: the oldest first. */
function surplus({ spec }: CronJob, own: readonly Job[]): CronJobAction[] {
  const limits = { Complete: spec.successfulJobsHistoryLimit, Failed: spec.failedJobsHistoryLimit };
  return Object.entries(limits).flatMap(([type, limit]) => {
    if (limit === undefined) return [];
    const ended = own
      .filter(({ metadata, status }) =>
        metadata.deletionTimestamp === undefined && findCondition(status?.conditions, type)?.status === "True"
      )
      .sort((a, b) => startOf(a) - startOf(b) || (a.metadata.name < b.metadata.name ? -1 : 1));
    return ended.slice(0, Math.max(0, ended.length - limit)).map((job): CronJobAction => ({
      do: "delete",
      job,
      because: `it is beyond the ${limit} that are kept`,
    }));
  });
}

function startOf({ status }: Job): number {
  return status?.startTime === undefined ? Infinity : parseTime(status.startTime);
}

function scheduleOf({ spec }: CronJob): Schedule | { told: CronJobAction } {
  const warn = (reason: string, message: string) => ({
    told: { do: "tell" as const, type: "Warning" as const, reason, message },
  });
  const { schedule, timeZone } = spec;
  if (timeZone !== undefined && !isTimeZone(timeZone)) {
    return warn("UnknownTimeZone", `invalid timeZone: "${timeZone}": unknown time zone ${timeZone}`);
  }
  try {
    return parseSchedule(schedule, timeZone);
  } catch (error) {
    if (!(error instanceof ScheduleError)) throw error;
    return warn("UnparseableSchedule", `unparseable schedule: "${schedule}" : ${error.message}`);
  }
}

function start(
  cronJob: CronJob,
  jobs: readonly Job[],
  schedule: Schedule,
  begun: CronJobPlan,
  now: number,
): CronJobPlan {
  const { spec, metadata } = cronJob;
  const { due, missed } = newestDue(cronJob, schedule, now);
  const next = schedule.next(now);
  const rest = { ...begun, ...(next !== undefined && { reconsiderAt: next + PADDING_MS }) };
  const tell = (type: "Normal" | "Warning", reason: string, message: string): CronJobPlan => ({
    ...rest,
    actions: [...begun.actions, { do: "tell", type, reason, message }],
  });
  if (due === undefined) return rest;
  const deadlineMs = (spec.startingDeadlineSeconds ?? Infinity) * 1000;
  if (due + deadlineMs < now) {
    return tell("Warning", "MissSchedule", `Missed scheduled time to start a job: ${new Date(due).toUTCString()}`);
  }
  const minute = Math.floor(due / MINUTE_MS);
  const name = `${metadata.name}-${minute}`;
  const isKnown = begun.status.active?.some((reference) => reference.name === name) ?? false;
  if (isKnown || jobs.some((job) => job.metadata.name === name)) {
    // It was made, and the one who made it may have been stopped before saying so. Of several in a minute one counts.
    const last = begun.status.lastScheduleTime;
    const isTold = last !== undefined && Math.floor(parseTime(last) / MINUTE_MS) === minute;
    return isTold ? rest : { ...rest, status: { ...begun.status, lastScheduleTime: formatTime(due) } };
  }
  const active = begun.status.active ?? [];
  if (spec.concurrencyPolicy === "Forbid" && active.length > 0) {
    const why = "Not starting job because prior execution is running and concurrency policy is Forbid";
    return tell("Normal", "JobAlreadyActive", why);
  }
  const replaced = spec.concurrencyPolicy === "Replace"
    ? jobs.filter((job) => active.some(({ uid }) => uid === job.metadata.uid))
    : [];
  const tooMany = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
  return {
    ...rest,
    actions: [
      ...begun.actions,
      ...(missed > MISSED_MAX
        ? [{ do: "tell", type: "Warning", reason: "TooManyMissedTimes", message: tooMany } as const]
        : []),
      ...replaced.map((job): CronJobAction => ({ do: "delete", job, because: "the next one takes its place" })),
      { do: "create", name, due },
    ],
    status: { ...begun.status, lastScheduleTime: formatTime(due) },
  };
}

/** The newest time that is due and for which nothing was made; earlier ones are lost. */
function newestDue(
  { metadata, spec, status }: CronJob,
  schedule: Schedule,
  now: number,
): { due?: number; missed: number } {
  const last = parseTime(status?.lastScheduleTime ?? metadata.creationTimestamp ?? "");
  const patience = spec.startingDeadlineSeconds;
  const since = patience === undefined ? last : Math.max(last, now - patience * 1000);
  const first = schedule.next(since);
  if (first === undefined || first > now) return { missed: 0 };
  const second = schedule.next(first);
  if (second === undefined || second > now) return { due: first, missed: 1 };
  // Not one after the other: after a long time there may be very many.
  const period = second - first;
  const missed = Math.floor((now - first) / period) + 1;
  let due: number | undefined;
  const from = Math.max(first - 1, first + (missed - 2) * period);
  for (let at = schedule.next(from); at !== undefined && at <= now; at = schedule.next(at)) due = at;
  return { ...(due !== undefined && { due }), missed };
}
