import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { type CronJob, formatTime, type Job } from "@k3ts/model/objects";
import { aJob } from "@k3ts/model/testing";
import { planCronJob } from "./plan.ts";

const MINUTE = 60_000;
const START = Date.parse("2026-01-01T00:00:30Z");
const at = (minutes: number) => Date.parse("2026-01-01T00:00:00Z") + minutes * MINUTE;

function aCronJob(spec: Partial<CronJob["spec"]> = {}, status: CronJob["status"] = {}): CronJob {
  const metadata = {
    name: "tick",
    namespace: "default",
    uid: "uid-of-tick",
    resourceVersion: "1",
    creationTimestamp: formatTime(START),
  };
  return { metadata, spec: { schedule: "*/5 * * * *", jobTemplate: { spec: aJob().spec }, ...spec }, status };
}

function ofCron(minutes: number, end?: "Complete" | "Failed"): Job {
  const name = `tick-${Math.floor(at(minutes) / MINUTE)}`;
  const job = aJob({ name });
  const owner = { apiVersion: "batch/v1", kind: "CronJob", name: "tick", uid: "uid-of-tick", controller: true };
  const startTime = formatTime(at(minutes));
  const completionTime = formatTime(at(minutes + 1));
  return {
    ...job,
    metadata: { ...job.metadata, ownerReferences: [owner] },
    status: end === undefined
      ? { startTime }
      : { startTime, conditions: [{ type: end, status: "True" }], ...(end === "Complete" && { completionTime }) },
  };
}

const made = ({ actions }: ReturnType<typeof planCronJob>) =>
  actions.flatMap((action) => action.do === "create" ? [action.due] : []);
const told = ({ actions }: ReturnType<typeof planCronJob>) =>
  actions.flatMap((action) => action.do === "tell" ? [action.reason] : []);

Deno.test("a Job is made when it is due, and the next one is waited for", () => {
  const early = planCronJob(aCronJob(), [], at(4));
  deepEqual([early.actions, early.reconsiderAt], [[], at(5) + 100]);
  const due = planCronJob(aCronJob(), [], at(5) + 100);
  deepEqual([made(due), due.status.lastScheduleTime, due.reconsiderAt], [[at(5)], formatTime(at(5)), at(10) + 100]);
  const after = planCronJob(aCronJob({}, due.status), [ofCron(5)], at(6));
  deepEqual([made(after), after.status.active?.map(({ name }) => name)], [[], [ofCron(5).metadata.name]]);
});

Deno.test("of many that were missed the last is made, unless it is too late for it", () => {
  deepEqual(made(planCronJob(aCronJob(), [], at(999))), [at(995)]);
  const many = planCronJob(aCronJob(), [], at(60 * 24 * 30) + 2 * MINUTE);
  deepEqual([made(many).length, told(many)], [1, ["TooManyMissedTimes"]]);
  deepEqual(made(planCronJob(aCronJob({ startingDeadlineSeconds: 60 }), [], at(17))), []);
  deepEqual(made(planCronJob(aCronJob({ startingDeadlineSeconds: 180 }), [], at(17))), [at(15)]);
});

Deno.test("a Job that was made before anybody could say so is not made again", () => {
  const plan = planCronJob(aCronJob(), [ofCron(5)], at(6));
  deepEqual([made(plan), plan.status.lastScheduleTime], [[], formatTime(at(5))]);
});

Deno.test("what is due more often than every minute makes one Job a minute, and does not write for the others", () => {
  const status = { lastScheduleTime: formatTime(at(5)) };
  const plan = planCronJob(aCronJob({ schedule: "@every 10s" }, status), [ofCron(5, "Complete")], at(5) + 30_000);
  deepEqual([plan.actions, plan.status.lastScheduleTime], [[], formatTime(at(5))]);
});

Deno.test("while one runs the next is made beside it, instead of it, or not at all", () => {
  const run = (concurrencyPolicy: "Allow" | "Forbid" | "Replace") => {
    const status = { lastScheduleTime: formatTime(at(5)) };
    const plan = planCronJob(aCronJob({ concurrencyPolicy }, status), [ofCron(5)], at(10));
    return [made(plan).length, plan.actions.filter(({ do: what }) => what === "delete").length, told(plan)];
  };
  deepEqual(run("Allow"), [1, 0, []]);
  deepEqual(run("Forbid"), [0, 0, ["JobAlreadyActive"]]);
  deepEqual(run("Replace"), [1, 1, []]);
});

Deno.test("a Job made by hand holds nothing up", () => {
  const byHand = ofCron(5);
  byHand.metadata.name = "by-hand";
  const plan = planCronJob(aCronJob({ concurrencyPolicy: "Forbid" }), [byHand], at(5));
  deepEqual([made(plan), plan.status.active], [[at(5)], undefined]);
});

Deno.test("suspended it makes none, and forgets none", () => {
  const plan = planCronJob(aCronJob({ suspend: true }), [ofCron(5)], at(20));
  deepEqual([plan.actions, plan.reconsiderAt, plan.status.active?.length], [[], undefined, 1]);
});

Deno.test("so many that ended are kept, and when one last succeeded is told", () => {
  const jobs = [ofCron(5, "Complete"), ofCron(10, "Failed"), ofCron(15, "Complete"), ofCron(20, "Failed")];
  const status = { lastScheduleTime: formatTime(at(20)), active: [{ uid: jobs[3]!.metadata.uid, name: "x" }] };
  const cronJob = aCronJob({ successfulJobsHistoryLimit: 1, failedJobsHistoryLimit: 0 }, status);
  const plan = planCronJob(cronJob, jobs, at(21));
  const deleted = plan.actions.flatMap((action) => action.do === "delete" ? [jobs.indexOf(action.job)] : []);
  deepEqual([deleted, told(plan), plan.status.lastSuccessfulTime], [
    [0, 1, 3],
    ["SawCompletedJob"],
    formatTime(at(16)),
  ]);
});

Deno.test("a schedule or a time zone that nobody knows is told of", () => {
  deepEqual(told(planCronJob(aCronJob({ schedule: "never" }), [], at(5))), ["UnparseableSchedule"]);
  deepEqual(told(planCronJob(aCronJob({ timeZone: "Mars/Olympus" }), [], at(5))), ["UnknownTimeZone"]);
});

Deno.test("however often and late one looks, no time has two Jobs, and every look leaves the newest made", () => {
  fc.assert(fc.property(fc.array(fc.nat(40), { minLength: 1 }), fc.constantFrom(1, 5, 7), (waits, minutes) => {
    let cronJob = aCronJob({ schedule: `*/${minutes} * * * *` });
    const jobs: Job[] = [];
    let now = START;
    for (const wait of waits) {
      now += wait * 20_000;
      const plan = planCronJob(cronJob, jobs, now);
      for (const due of made(plan)) {
        ok(due <= now);
        jobs.push({ ...ofCron((due - at(0)) / MINUTE, "Complete") });
      }
      cronJob = { ...cronJob, status: plan.status };
      deepEqual(made(planCronJob(cronJob, jobs, now)), [], "it rests");
    }
    equal(new Set(jobs.map(({ metadata }) => metadata.name)).size, jobs.length);
  }));
});
