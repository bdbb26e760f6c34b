/** What must hold of a Job's spec, and of the Jobs that a CronJob makes (batch/v1, 1.35). */
import { dnsSubdomainProblems } from "../../names.ts";
import type { JobSpec } from "../../types/mod.ts";
import { type FieldError, invalid, notSupported, required, tooLong } from "../field_error.ts";
import { validatePodTemplate } from "../pod/spec.ts";
import { validateNonnegative } from "../values.ts";
import { defaultTemplate } from "../workload.ts";
import { validatePodFailurePolicy, validateSuccessPolicy } from "./policies.ts";

const PARALLELISM_MAX = 100_000;
const FAILED_INDEXES_MAX = 100_000;
/** With more completions the others are held to lower limits, so that the status stays small. */
const MANY_COMPLETIONS = 100_000;
const PARALLELISM_OF_MANY_MAX = 10_000;
const FAILED_INDEXES_OF_MANY_MAX = 10_000;
const MANAGER_LENGTH_MAX = 63;
const PATH_CHARACTERS = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]";
const PATH = new RegExp(`^${PATH_CHARACTERS}+$`);

const COUNTS = [
  "parallelism",
  "completions",
  "activeDeadlineSeconds",
  "backoffLimit",
  "ttlSecondsAfterFinished",
  "backoffLimitPerIndex",
  "maxFailedIndexes",
] as const;

export function isIndexed({ completionMode }: JobSpec): boolean {
  return completionMode === "Indexed";
}

/** What is set where it is not given, whoever makes the Job. */
export function defaultJobTemplate(spec: JobSpec): void {
  defaultTemplate(spec);
  for (const { onPodConditions } of spec.podFailurePolicy?.rules ?? []) {
    for (const pattern of onPodConditions ?? []) pattern.status ||= "True";
  }
}

export function validateJobSpec(spec: JobSpec, path: string): FieldError[] {
  const errors = COUNTS.flatMap((name) => validateNonnegative(spec[name], `${path}.${name}`));
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined) {
    errors.push(required(`${path}.backoffLimitPerIndex`, "when maxFailedIndexes is specified"));
  }
  return [
    ...errors,
    ...validateManager(spec.managedBy, `${path}.managedBy`),
    ...validateMode(spec, path),
    ...(spec.podFailurePolicy === undefined ? [] : validatePodFailurePolicy(spec, `${path}.podFailurePolicy`)),
    ...validateSuccess(spec, `${path}.successPolicy`),
    ...validateReplacement(spec, `${path}.podReplacementPolicy`),
    ...validatePodTemplate(spec.template, `${path}.template`),
    ...validateRestarts(spec, `${path}.template.spec.restartPolicy`),
  ];
}

function validateMode(spec: JobSpec, path: string): FieldError[] {
  const { completionMode: mode = "NonIndexed", backoffLimitPerIndex, maxFailedIndexes } = spec;
  if (isIndexed(spec)) return validateIndexed(spec, path);
  if (mode !== "NonIndexed") return [notSupported(`${path}.completionMode`, mode, ["NonIndexed", "Indexed"])];
  return Object.entries({ backoffLimitPerIndex, maxFailedIndexes }).flatMap(([name, value]) =>
    value === undefined ? [] : [invalid(`${path}.${name}`, value, "requires indexed completion mode")]
  );
}

function validateIndexed(spec: JobSpec, path: string): FieldError[] {
  const { completions, parallelism = 0, maxFailedIndexes, backoffLimitPerIndex } = spec;
  const errors: FieldError[] = [];
  if (completions === undefined) errors.push(required(`${path}.completions`, "when completion mode is Indexed"));
  if (parallelism > PARALLELISM_MAX) {
    const detail = `must be less than or equal to ${PARALLELISM_MAX} when completion mode is Indexed`;
    errors.push(invalid(`${path}.parallelism`, parallelism, detail));
  }
  const failed = `${path}.maxFailedIndexes`;
  if (maxFailedIndexes !== undefined && completions !== undefined && maxFailedIndexes > completions) {
    errors.push(invalid(failed, maxFailedIndexes, "must be less than or equal to completions"));
  }
  if ((maxFailedIndexes ?? 0) > FAILED_INDEXES_MAX) {
    errors.push(invalid(failed, maxFailedIndexes, `must be less than or equal to ${FAILED_INDEXES_MAX}`));
  }
  if ((completions ?? 0) <= MANY_COMPLETIONS || backoffLimitPerIndex === undefined) return errors;
  const why = `when completions are above ${MANY_COMPLETIONS} and used with backoff limit per index`;
  if (maxFailedIndexes === undefined) {
    errors.push(required(failed, `must be specified when completions is above ${MANY_COMPLETIONS}`));
  }
  if (parallelism > PARALLELISM_OF_MANY_MAX) {
    const detail = `must be less than or equal to ${PARALLELISM_OF_MANY_MAX} ${why}`;
    errors.push(invalid(`${path}.parallelism`, parallelism, detail));
  }
  if ((maxFailedIndexes ?? 0) > FAILED_INDEXES_OF_MANY_MAX) {
    const detail = `must be less than or equal to ${FAILED_INDEXES_OF_MANY_MAX} ${why}`;
    errors.push(invalid(failed, maxFailedIndexes, detail));
  }
  return errors;
}

/** `domain/path`, where the path may have parts. */
function validateManager(manager: string | undefined, path: string): FieldError[] {
  if (manager === undefined) return [];
  const long = manager.length > MANAGER_LENGTH_MAX ? [tooLong(path, MANAGER_LENGTH_MAX)] : [];
  if (manager === "") return [required(path)];
  const slash = manager.indexOf("/");
  if (slash <= 0 || slash === manager.length - 1) {
    return [invalid(path, manager, 'must be a domain-prefixed path (such as "acme.io/foo")'), ...long];
  }
  const domain = manager.slice(0, slash);
  const rest = manager.slice(slash + 1);
  return [
    ...dnsSubdomainProblems(domain).map((problem) => invalid(path, domain, problem)),
    ...(PATH.test(rest)
      ? []
      : [invalid(path, rest, `Invalid path (regex used for validation is '${PATH_CHARACTERS}+')`)]),
    ...long,
  ];
}

function validateSuccess(spec: JobSpec, path: string): FieldError[] {
  if (spec.successPolicy === undefined) return [];
  return isIndexed(spec)
    ? validateSuccessPolicy(spec, path)
    : [invalid(path, spec.successPolicy, "requires indexed completion mode")];
}

function validateReplacement({ podReplacementPolicy: policy, podFailurePolicy }: JobSpec, path: string): FieldError[] {
  const supported = podFailurePolicy === undefined ? ["Failed", "TerminatingOrFailed"] : ["Failed"];
  return policy === undefined || supported.includes(policy) ? [] : [notSupported(path, policy, supported)];
}

function validateRestarts({ template, podFailurePolicy }: JobSpec, path: string): FieldError[] {
  const policy = template.spec?.restartPolicy ?? "";
  if (policy === "" || policy === "Always") return [required(path, 'valid values: "OnFailure", "Never"')];
  if (policy !== "OnFailure" && policy !== "Never") return [notSupported(path, policy, ["OnFailure", "Never"])];
  return podFailurePolicy !== undefined && policy !== "Never"
    ? [invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')]
    : [];
}
