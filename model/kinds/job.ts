import { cloneJson } from "../json.ts";
import { isConditionTrue } from "../meta.ts";
import { dnsLabelProblems } from "../names.ts";
import { matches, SelectorError } from "../selectors/mod.ts";
import { ageOf, formatAge, parseTime } from "../time.ts";
import type { Job, JobSpec, PodTemplateSpec } from "../types/mod.ts";
import { AGE_COLUMN, column, defineKind, NAME_COLUMN } from "./define.ts";
import { type FieldError, invalid, required } from "./field_error.ts";
import { defaultJobTemplate, isIndexed, validateJobSpec } from "./job/spec.ts";
import { validateJobStatus } from "./job/status.ts";
import { validateLabelSelector } from "./labels.ts";
import { immutable } from "./metadata.ts";
import { equalSemantically, normalObject } from "./semantics.ts";
import { CONTAINER_COLUMNS, containerCells, mismatch, selectorCell, validateSelects } from "./workload.ts";

const TYPE = "batch/v1.Job";
const BACKOFF_LIMIT = 6;
const WITHOUT_LIMIT = 2 ** 31 - 1;
const UID_LABELS = ["controller-uid", "batch.kubernetes.io/controller-uid"] as const;
const NAME_LABELS = ["job-name", "batch.kubernetes.io/job-name"] as const;

export const job = defineKind<Job>({
  resource: "jobs.batch",
  type: TYPE,
  namespaced: true,
  hasStatus: true,
  bumpsGeneration: true,
  defaults(object) {
    object.spec ??= {} as JobSpec;
    object.status ??= {};
    const { spec } = object;
    defaultJobTemplate(spec);
    if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
    spec.parallelism ??= 1;
    spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? BACKOFF_LIMIT : WITHOUT_LIMIT;
    spec.completionMode ??= "NonIndexed";
    spec.suspend ??= false;
    spec.podReplacementPolicy ??= spec.podFailurePolicy === undefined ? "TerminatingOrFailed" : "Failed";
    spec.manualSelector ??= false;
    // A new Job is labelled once its template has all labels.
    if (object.metadata.uid !== undefined) labelAsTemplate(object);
  },
  prepareForCreate(object) {
    if (object.spec.manualSelector !== true) generateSelector(object);
    labelAsTemplate(object);
  },
  validate: (object) => [
    ...validateGenerated(object),
    ...validateJobSpec(object.spec, "spec"),
    ...validateSelector(object.spec),
    ...validateHostnames(object),
  ],
  validateChange: (next, old) => [
    ...validateCompletions(next.spec, old.spec),
    ...immutable("spec.selector", next.spec.selector, old.spec.selector),
    ...validateTemplateChange(next, old),
    ...(["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] as const).flatMap(
      (name) => immutable(`spec.${name}`, next.spec[name], old.spec[name]),
    ),
  ],
  validateStatus: validateJobStatus,
  columns: [
    NAME_COLUMN,
    column("Status", "What it is doing, or how it ended."),
    column("Completions", "How many pods have succeeded, of how many that must."),
    column("Duration", "How long it has run, or ran."),
    AGE_COLUMN,
    ...CONTAINER_COLUMNS,
    column("Selector", "Which pods it counts.", { wide: true }),
  ],
  row: (object, now) => [
    object.metadata.name,
    summary(object),
    completionsCell(object),
    duration(object, now),
    ageOf(object.metadata.creationTimestamp, now),
    ...containerCells(object.spec.template),
    selectorCell(object.spec.selector, "<error>"),
  ],
  selectableFields: ({ status }) => ({ "status.successful": String(status?.succeeded ?? 0) }),
});

/** Labels by which only this Job's pods are known, unless the template has others of these names: then it is refused. */
function generateSelector({ metadata, spec }: Job): void {
  const { name, uid } = metadata;
  const template = spec.template.metadata ??= {};
  template.labels = inOrder({ ...generatedLabels(name, uid), ...template.labels });
  const selector = spec.selector ??= {};
  selector.matchLabels = inOrder({ [UID_LABELS[1]]: uid, ...selector.matchLabels });
}

function generatedLabels(name: string, uid: string): Record<string, string> {
  return Object.fromEntries([...UID_LABELS.map((label) => [label, uid]), ...NAME_LABELS.map((label) => [label, name])]);
}

function inOrder(labels: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => a < b ? -1 : 1));
}

function labelAsTemplate({ metadata, spec }: Job): void {
  const labels = spec.template.metadata?.labels;
  if (labels !== undefined && Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels };
}

function validateGenerated({ metadata, spec }: Job): FieldError[] {
  if (spec.manualSelector === true || spec.selector === undefined) return [];
  const expected = generatedLabels(metadata.name, metadata.uid);
  const actual = spec.template.metadata?.labels ?? {};
  const errors = Object.entries(expected).flatMap(([name, value]) => {
    const at = `spec.template.metadata.labels[${name}]`;
    if (actual[name] === undefined) return [required(at, `must be '${value}'`)];
    return actual[name] === value ? [] : [invalid(at, actual, `must be '${value}'`)];
  });
  try {
    if (!matches(spec.selector, expected)) {
      errors.push(invalid("spec.selector", spec.selector, "`selector` not auto-generated"));
    }
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error; // told by what checks the selector itself
  }
  return errors;
}

function validateSelector({ selector, template }: JobSpec): FieldError[] {
  if (selector === undefined) return [required("spec.selector"), mismatch(template)];
  const errors = validateLabelSelector(selector, "spec.selector");
  try {
    return [...errors, ...validateSelects(selector, template, "spec.template")];
  } catch (error) {
    if (error instanceof SelectorError) return errors;
    throw error;
  }
}

/** Pods of an Indexed Job are named after it and their index. */
function validateHostnames({ metadata, spec }: Job): FieldError[] {
  if (!isIndexed(spec) || (spec.completions ?? 0) <= 0) return [];
  const longest = `${metadata.name}-${spec.completions! - 1}`;
  if (dnsLabelProblems(longest).length === 0) return [];
  const detail = `will not able to create pod with invalid DNS label: ${longest}`;
  return [invalid("metadata.name", metadata.name, detail)];
}

function validateCompletions(next: JobSpec, old: JobSpec): FieldError[] {
  const path = "spec.completions";
  if (!isIndexed(next)) return immutable(path, next.completions, old.completions);
  if (next.completions === undefined || next.completions === old.completions) return [];
  return next.completions === next.parallelism
    ? []
    : [invalid(path, next.completions, "can only be modified in tandem with spec.parallelism")];
}

/** While it is suspended and has not started, where its pods may run can still be said. */
function validateTemplateChange(next: Job, old: Job): FieldError[] {
  const after = normalObject(next, TYPE).spec.template;
  const before = cloneJson(normalObject(old, TYPE).spec.template);
  if (old.spec.suspend === true && old.status?.startTime === undefined) adoptDirectives(before, after);
  return equalSemantically(after, before) ? [] : [invalid("spec.template", next.spec.template, "field is immutable")];
}

function adoptDirectives(before: PodTemplateSpec, after: PodTemplateSpec): void {
  const to = before.spec ??= { containers: [] };
  const { affinity, nodeSelector, tolerations, schedulingGates } = after.spec ?? {};
  const { nodeAffinity: _, ...others } = to.affinity ?? {};
  const joined = { ...others, ...(affinity?.nodeAffinity && { nodeAffinity: affinity.nodeAffinity }) };
  if (Object.keys(joined).length > 0 || affinity !== undefined) to.affinity = joined;
  else delete to.affinity;
  Object.assign(to, { nodeSelector, tolerations, schedulingGates });
  Object.assign(before.metadata ??= {}, {
    labels: after.metadata?.labels,
    annotations: after.metadata?.annotations,
  });
}

function summary({ metadata, status }: Job): string {
  const is = (type: string) => isConditionTrue(status?.conditions, type);
  if (is("Complete")) return "Complete";
  if (is("Failed")) return "Failed";
  if (metadata.deletionTimestamp !== undefined) return "Terminating";
  return ["Suspended", "FailureTarget", "SuccessCriteriaMet"].find(is) ?? "Running";
}

function completionsCell({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0;
  if (spec.completions !== undefined) return `${succeeded}/${spec.completions}`;
  return (spec.parallelism ?? 0) > 1 ? `${succeeded}/1 of ${spec.parallelism}` : `${succeeded}/1`;
}

function duration({ status }: Job, now: number): string {
  const { startTime, completionTime } = status ?? {};
  if (startTime === undefined) return "";
  return formatAge((completionTime === undefined ? now : parseTime(completionTime)) - parseTime(startTime));
}
