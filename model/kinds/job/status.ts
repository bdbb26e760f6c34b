/**
 * What must hold of a Job's status, and what may not be undone. Whoever manages a Job (KEP-4368) is held to it; rules
 * are applied only where what they are about has changed, so that a change of the spec does not get in the way.
 */
import { isConditionTrue } from "../../meta.ts";
import { parseTime } from "../../time.ts";
import type { Job, JobStatus } from "../../types/mod.ts";
import { duplicate, type FieldError, invalid, invalidAltogether, required } from "../field_error.ts";
import { equalSemantically } from "../semantics.ts";
import { validateNonnegative } from "../values.ts";
import { countIndexes, overlapOf } from "./indexes.ts";
import { isIndexed } from "./spec.ts";

const CONDITIONS = "status.conditions";

export function validateJobStatus(next: Job, old: Job): FieldError[] {
  const after = stateOf(next);
  const before = stateOf(old);
  const changed = (name: keyof State) => !equalSemantically(after[name], before[name]);
  return [
    ...validateCounts(after),
    ...validateConditions(after, changed),
    ...validateTimes(next, after, changed),
    ...validateFinished(after, changed),
    ...validateIndexes(next, after, changed),
    ...validateUndone(next, after, before),
  ];
}

interface State extends JobStatus {
  complete: boolean;
  hasFailed: boolean;
  finished: boolean;
  failureTarget: boolean;
  criteriaMet: boolean;
  isSuspended: boolean;
}

function stateOf({ status = {} }: Job): State {
  const is = (type: string) => isConditionTrue(status.conditions, type);
  const complete = is("Complete");
  const hasFailed = is("Failed");
  return {
    ...status,
    complete,
    hasFailed,
    finished: complete || hasFailed,
    failureTarget: is("FailureTarget"),
    criteriaMet: is("SuccessCriteriaMet"),
    isSuspended: is("Suspended"),
  };
}

type Changed = (name: keyof State) => boolean;

function validateCounts(status: State): FieldError[] {
  const errors = (["active", "succeeded", "failed", "ready", "terminating"] as const).flatMap((name) =>
    validateNonnegative(status[name], `status.${name}`)
  );
  const seen = new Set<string>();
  for (const name of ["succeeded", "failed"] as const) {
    for (const [index, uid] of (status.uncountedTerminatedPods?.[name] ?? []).entries()) {
      const at = `status.uncountedTerminatedPods.${name}[${index}]`;
      if (uid === "") errors.push(invalid(at, uid, "must not be empty"));
      else if (seen.has(uid)) errors.push(duplicate(at, uid));
      seen.add(uid);
    }
  }
  return errors;
}

function validateConditions(status: State, changed: Changed): FieldError[] {
  const { complete, hasFailed, failureTarget, criteriaMet } = status;
  const errors: FieldError[] = [];
  const refuse = (when: boolean, detail: string) => when && errors.push(invalidAltogether(CONDITIONS, detail));
  const ends = changed("complete") || changed("hasFailed");
  refuse(ends && complete && hasFailed, "cannot set Complete=True and Failed=true conditions");
  refuse(
    (changed("complete") || changed("failureTarget")) && complete && failureTarget,
    "cannot set Complete=True and FailureTarget=true conditions",
  );
  refuse(
    (changed("hasFailed") || changed("failedIndexes")) && hasFailed && !failureTarget,
    "cannot set Failed=True condition without the FailureTarget=true condition",
  );
  refuse(
    (changed("complete") || changed("criteriaMet")) && complete && !criteriaMet,
    "cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
  );
  refuse(criteriaMet && hasFailed, "cannot set SuccessCriteriaMet=True and Failed=true conditions");
  refuse(criteriaMet && failureTarget, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions");
  return errors;
}

function validateTimes({ spec }: Job, status: State, changed: Changed): FieldError[] {
  const { startTime, completionTime, complete, finished } = status;
  const at = "status.completionTime";
  const errors: FieldError[] = [];
  if (changed("complete") || changed("completionTime")) {
    if (completionTime !== undefined && !complete) {
      const detail = "cannot set completionTime when there is no Complete=True condition";
      errors.push(invalid(at, completionTime, detail));
    }
    if (completionTime === undefined && complete) {
      errors.push(required(at, "completionTime is required for Complete jobs"));
    }
  }
  const isBoth = startTime !== undefined && completionTime !== undefined;
  if (
    (changed("startTime") || changed("completionTime")) && isBoth && parseTime(completionTime) < parseTime(startTime)
  ) {
    errors.push(invalid(at, completionTime, "must be equal to or after `startTime`"));
  }
  const neverStarts = spec.suspend === true && spec.completions === 0;
  if ((changed("finished") || changed("startTime")) && !neverStarts && startTime === undefined && finished) {
    errors.push(required("status.startTime", "startTime is required for finished job"));
  }
  return errors;
}

function validateFinished(status: State, changed: Changed): FieldError[] {
  const { active = 0, ready = 0, terminating = 0, uncountedTerminatedPods, finished } = status;
  const errors: FieldError[] = [];
  const applies = (name: keyof State) => finished && (changed("finished") || changed(name));
  if (applies("active") && active > 0) {
    errors.push(invalid("status.active", active, "active>0 is invalid for finished job"));
  }
  const uncounted = (uncountedTerminatedPods?.succeeded?.length ?? 0) + (uncountedTerminatedPods?.failed?.length ?? 0);
  if (applies("uncountedTerminatedPods") && uncounted > 0) {
    const at = "status.uncountedTerminatedPods";
    errors.push(invalid(at, uncountedTerminatedPods, "must be empty for finished job"));
  }
  if (applies("terminating") && terminating > 0) {
    errors.push(invalid("status.terminating", terminating, "terminating>0 is invalid for finished job"));
  }
  if ((changed("ready") || changed("active")) && ready > active) {
    errors.push(invalid("status.ready", ready, "cannot set more ready pods than active"));
  }
  return errors;
}

function validateIndexes({ spec }: Job, status: State, changed: Changed): FieldError[] {
  const { completedIndexes = "", failedIndexes } = status;
  const { completions, backoffLimitPerIndex } = spec;
  const errors: FieldError[] = [];
  const parse = (name: "completedIndexes" | "failedIndexes", text: string) => {
    const counted = countIndexes(text, completions ?? 0);
    if (typeof counted === "number") return;
    errors.push(invalid(`status.${name}`, text, `error parsing ${name}: ${counted.problem}`));
  };
  if (changed("completedIndexes")) {
    if (completions !== undefined) parse("completedIndexes", completedIndexes);
    if (completedIndexes !== "" && !isIndexed(spec)) {
      const detail = "cannot set non-empty completedIndexes when non-indexed completion mode";
      errors.push(invalid("status.completedIndexes", completedIndexes, detail));
    }
  }
  if (failedIndexes === undefined) return errors;
  if (changed("failedIndexes")) {
    if (backoffLimitPerIndex === undefined) {
      const detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null";
      errors.push(invalid("status.failedIndexes", failedIndexes, detail));
    } else if (completions !== undefined) parse("failedIndexes", failedIndexes);
  }
  if ((changed("failedIndexes") || changed("completedIndexes")) && completions !== undefined) {
    const index = overlapOf(completedIndexes, failedIndexes, completions);
    if (index !== undefined) {
      const detail = `failedIndexes and completedIndexes overlap at index: ${index}`;
      errors.push(invalid("status.failedIndexes", failedIndexes, detail));
    }
  }
  return errors;
}

function validateUndone({ spec }: Job, after: State, before: State): FieldError[] {
  const errors: FieldError[] = [];
  for (
    const [name, type] of [["hasFailed", "Failed"], ["complete", "Complete"], [
      "failureTarget",
      "FailureTarget",
    ]] as const
  ) {
    if (before[name] && !after[name]) {
      errors.push(invalidAltogether(CONDITIONS, `cannot disable the terminal ${type}=True condition`));
    }
  }
  if (before.criteriaMet && !after.criteriaMet) {
    errors.push(invalidAltogether(CONDITIONS, "cannot disable the SuccessCriteriaMet=True condition"));
  }
  if (before.complete && !before.criteriaMet && after.criteriaMet) {
    const detail = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions";
    errors.push(invalidAltogether(CONDITIONS, detail));
  }
  // Where an Indexed Job is made smaller, indexes that had succeeded are no longer among its own.
  const shrinks = isIndexed(spec) && spec.completions === spec.parallelism;
  for (const name of ["failed", "succeeded"] as const) {
    if ((after[name] ?? 0) >= (before[name] ?? 0) || (name === "succeeded" && shrinks)) continue;
    errors.push(invalid(`status.${name}`, after[name] ?? 0, `cannot decrease the ${name} counter`));
  }
  const { completionTime, startTime } = after;
  if (completionTime !== undefined && before.completionTime !== undefined && completionTime !== before.completionTime) {
    errors.push(invalid("status.completionTime", completionTime, "field is immutable"));
  }
  const resumes = before.isSuspended && !after.isSuspended;
  if (!resumes && before.startTime !== undefined && startTime !== before.startTime && spec.suspend !== true) {
    errors.push(required("status.startTime", "startTime cannot be removed for unsuspended job"));
  }
  return errors;
}
