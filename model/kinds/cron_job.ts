import { isTimeZone, parseSchedule, ScheduleError } from "../cron.ts";
import { ageOf } from "../time.ts";
import type { CronJob } from "../types/mod.ts";
import { AGE_COLUMN, column, defineKind, NAME_COLUMN } from "./define.ts";
import { type FieldError, invalid, notSupported, required } from "./field_error.ts";
import { defaultJobTemplate, validateJobSpec } from "./job/spec.ts";
import { validateNonnegative } from "./values.ts";
import { CONTAINER_COLUMNS, containerCells, selectorCell } from "./workload.ts";

type Spec = CronJob["spec"];

/** Jobs are named after it and the minute, and their pods after them. */
const NAME_LENGTH_MAX = 52;
const POLICIES = ["Allow", "Forbid", "Replace"];

export const cronJob = defineKind<CronJob>({
  resource: "cronjobs.batch",
  type: "batch/v1.CronJob",
  namespaced: true,
  hasStatus: true,
  bumpsGeneration: true,
  defaults(object) {
    object.spec ??= {} as Spec;
    object.status ??= {};
    const { spec } = object;
    spec.jobTemplate ??= {};
    defaultJobTemplate(spec.jobTemplate.spec ??= {} as NonNullable<typeof spec.jobTemplate.spec>);
    spec.concurrencyPolicy ||= "Allow";
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
  },
  validate({ metadata, spec }, old) {
    const errors = [
      ...validateSchedule(spec, old?.spec),
      ...validateNonnegative(spec.startingDeadlineSeconds, "spec.startingDeadlineSeconds"),
      ...(old === undefined || old.spec.timeZone !== spec.timeZone ? validateTimeZone(spec.timeZone) : []),
      ...(POLICIES.includes(spec.concurrencyPolicy ?? "")
        ? []
        : [notSupported("spec.concurrencyPolicy", spec.concurrencyPolicy, POLICIES)]),
      ...validateTemplate(spec.jobTemplate.spec!),
      ...validateNonnegative(spec.successfulJobsHistoryLimit, "spec.successfulJobsHistoryLimit"),
      ...validateNonnegative(spec.failedJobsHistoryLimit, "spec.failedJobsHistoryLimit"),
    ];
    if (old === undefined && metadata.name.length > NAME_LENGTH_MAX) {
      errors.push(invalid("metadata.name", metadata.name, `must be no more than ${NAME_LENGTH_MAX} characters`));
    }
    return errors;
  },
  columns: [
    NAME_COLUMN,
    column("Schedule", "When its Jobs are due."),
    column("Timezone", "By whose clock."),
    column("Suspend", "Whether it makes none for now.", { type: "boolean" }),
    column("Active", "How many of its Jobs run.", { type: "integer" }),
    column("Last Schedule", "How long ago the last Job was due."),
    AGE_COLUMN,
    ...CONTAINER_COLUMNS,
    column("Selector", "Which pods its Jobs count.", { wide: true }),
  ],
  row: ({ metadata, spec, status }, now) => [
    metadata.name,
    spec.schedule,
    spec.timeZone ?? "<none>",
    spec.suspend === true ? "True" : "False",
    status?.active?.length ?? 0,
    status?.lastScheduleTime === undefined ? "<none>" : ageOf(status.lastScheduleTime, now),
    ageOf(metadata.creationTimestamp, now),
    ...containerCells(spec.jobTemplate.spec?.template),
    spec.jobTemplate.spec?.selector === undefined
      ? "<none>"
      : selectorCell(spec.jobTemplate.spec.selector, "<error>") || "<none>",
  ],
});

function validateSchedule({ schedule, timeZone }: Spec, old: Spec | undefined): FieldError[] {
  const path = "spec.schedule";
  if (!schedule) return [required(path)];
  const errors: FieldError[] = [];
  const hasZone = schedule.includes("TZ");
  try {
    parseSchedule(schedule.replace(/^(CRON_)?TZ=\S+\s+/, ""));
  } catch (error) {
    if (!(error instanceof ScheduleError)) throw error;
    errors.push(invalid(path, schedule, error.message));
  }
  if (!hasZone) return errors;
  if (old?.schedule?.includes("TZ") !== true) {
    errors.push(invalid(path, schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"));
  } else if (timeZone !== undefined) {
    errors.push(invalid(path, schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule"));
  }
  return errors;
}

function validateTimeZone(timeZone: string | undefined): FieldError[] {
  const path = "spec.timeZone";
  if (timeZone === undefined) return [];
  if (timeZone === "") return [invalid(path, timeZone, "timeZone must be nil or non-empty string")];
  const isName = timeZone.split("/").every((part) =>
    part !== "." && part !== ".." && /^[A-Za-z._0-9+][A-Za-z._0-9+-]{0,13}$/.test(part)
  );
  if (timeZone.toLowerCase() === "local") {
    const detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
    return [invalid(path, timeZone, detail)];
  }
  return isName && isTimeZone(timeZone) ? [] : [invalid(path, timeZone, `unknown time zone ${timeZone}`)];
}

function validateTemplate(spec: NonNullable<Spec["jobTemplate"]["spec"]>): FieldError[] {
  const path = "spec.jobTemplate.spec";
  const errors = validateJobSpec(spec, path);
  if (spec.selector !== undefined) {
    errors.push(invalid(`${path}.selector`, spec.selector, "`selector` will be auto-generated"));
  }
  if (spec.manualSelector === true) errors.push(notSupported(`${path}.manualSelector`, true, ["nil", "false"]));
  return errors;
}
