/** What must hold of a Job's policies: when a pod's failure counts, when a part of the indexes is enough (KEP-3329, KEP-3998). */
import type { JobSpec, PodFailurePolicyRule, SuccessPolicyRule } from "../../types/mod.ts";
import {
  duplicate,
  type FieldError,
  invalid,
  invalidAltogether,
  notSupported,
  required,
  tooLong,
  tooMany,
} from "../field_error.ts";
import { validateNonnegative, validateQualifiedName } from "../values.ts";
import { countIndexes } from "./indexes.ts";

const RULES_MAX = 20;
const EXIT_CODES_MAX = 255;
const PATTERNS_MAX = 20;
const INDEXES_LENGTH_MAX = 64 * 1024;
const ACTIONS = ["Count", "FailIndex", "FailJob", "Ignore"];
const OPERATORS = ["In", "NotIn"];
const STATUSES = ["False", "True", "Unknown"];

type OnExitCodes = NonNullable<PodFailurePolicyRule["onExitCodes"]>;
type OnPodConditions = NonNullable<PodFailurePolicyRule["onPodConditions"]>;

export function validatePodFailurePolicy(spec: JobSpec, path: string): FieldError[] {
  const rules = spec.podFailurePolicy?.rules ?? [];
  const at = `${path}.rules`;
  const { containers = [], initContainers = [] } = spec.template.spec ?? {};
  const names = new Set([...containers, ...initContainers].map(({ name }) => name));
  return [
    ...(rules.length > RULES_MAX ? [tooMany(at, rules.length, RULES_MAX)] : []),
    ...rules.flatMap((rule, index) => validateFailureRule(rule, spec, names, `${at}[${index}]`)),
  ];
}

function validateFailureRule(
  { action, onExitCodes, onPodConditions = [] }: PodFailurePolicyRule,
  spec: JobSpec,
  names: ReadonlySet<string>,
  path: string,
): FieldError[] {
  const errors = validateChoice(action, ACTIONS, `${path}.action`);
  if (action === "FailIndex" && spec.backoffLimitPerIndex === undefined) {
    errors.push(invalid(`${path}.action`, action, "requires the backoffLimitPerIndex to be set"));
  }
  if (onExitCodes !== undefined) errors.push(...validateExitCodes(onExitCodes, names, `${path}.onExitCodes`));
  errors.push(...validatePatterns(onPodConditions, `${path}.onPodConditions`));
  if (onExitCodes !== undefined && onPodConditions.length > 0) {
    errors.push(invalidAltogether(path, "specifying both OnExitCodes and OnPodConditions is not supported"));
  }
  if (onExitCodes === undefined && onPodConditions.length === 0) {
    errors.push(invalidAltogether(path, "specifying one of OnExitCodes and OnPodConditions is required"));
  }
  return errors;
}

function validateExitCodes(
  { containerName, operator, values = [] }: OnExitCodes,
  names: ReadonlySet<string>,
  path: string,
): FieldError[] {
  const errors = validateChoice(operator, OPERATORS, `${path}.operator`);
  if (containerName !== undefined && !names.has(containerName)) {
    const detail = "must be one of the container or initContainer names in the pod template";
    errors.push(invalid(`${path}.containerName`, containerName, detail));
  }
  const at = `${path}.values`;
  if (values.length === 0) errors.push(invalid(at, values, "at least one value is required"));
  else if (values.length > EXIT_CODES_MAX) errors.push(tooMany(at, values.length, EXIT_CODES_MAX));
  for (const [index, value] of values.entries()) {
    if (operator === "In" && value === 0) {
      errors.push(invalid(`${at}[${index}]`, value, "must not be 0 for the In operator"));
    }
    if (values.indexOf(value) < index) errors.push(duplicate(`${at}[${index}]`, value));
  }
  if (values.some((value, index) => index > 0 && values[index - 1]! > value)) {
    errors.push(invalid(at, values, "must be ordered"));
  }
  return errors;
}

function validatePatterns(patterns: OnPodConditions, path: string): FieldError[] {
  return [
    ...(patterns.length > PATTERNS_MAX ? [tooMany(path, patterns.length, PATTERNS_MAX)] : []),
    ...patterns.flatMap(({ type, status }, index) => [
      ...validateQualifiedName(type ?? "", `${path}[${index}].type`),
      ...validateChoice(status, STATUSES, `${path}[${index}].status`),
    ]),
  ];
}

export function validateSuccessPolicy(spec: JobSpec, path: string): FieldError[] {
  const rules = spec.successPolicy?.rules ?? [];
  const at = `${path}.rules`;
  return [
    ...(rules.length === 0
      ? [required(at, "at least one rules must be specified when the successPolicy is specified")]
      : []),
    ...(rules.length > RULES_MAX ? [tooMany(at, rules.length, RULES_MAX)] : []),
    ...rules.flatMap((rule, index) => validateSuccessRule(rule, spec.completions ?? 0, `${at}[${index}]`)),
  ];
}

function validateSuccessRule(
  { succeededCount, succeededIndexes }: SuccessPolicyRule,
  completions: number,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  if (succeededCount === undefined && succeededIndexes === undefined) {
    errors.push(required(path, "at least one of succeededCount or succeededIndexes must be specified"));
  }
  let total = 0;
  if (succeededIndexes !== undefined) {
    const at = `${path}.succeededIndexes`;
    if (succeededIndexes.length > INDEXES_LENGTH_MAX) errors.push(tooLong(at, INDEXES_LENGTH_MAX));
    const counted = countIndexes(succeededIndexes, completions);
    if (typeof counted === "number") total = counted;
    else errors.push(invalid(at, succeededIndexes, `error parsing succeededIndexes: ${counted.problem}`));
  }
  if (succeededCount !== undefined) {
    const at = `${path}.succeededCount`;
    errors.push(...validateNonnegative(succeededCount, at));
    if (succeededCount > completions) {
      const detail = `must be less than or equal to ${completions} (the number of specified completions)`;
      errors.push(invalid(at, succeededCount, detail));
    }
    if (succeededIndexes !== undefined && succeededCount > total) {
      const detail = `must be less than or equal to ${total} (the number of indexes in the specified ` +
        "succeededIndexes field)";
      errors.push(invalid(at, succeededCount, detail));
    }
  }
  return errors;
}

function validateChoice(value: string | undefined, supported: readonly string[], path: string): FieldError[] {
  if (!value) return [required(path, `valid values: [${supported.map((each) => JSON.stringify(each)).join(" ")}]`)];
  return supported.includes(value) ? [] : [notSupported(path, value, supported)];
}
