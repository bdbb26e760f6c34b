/** Where a pod may go: selectors, affinity, tolerations, spreading, gates. */
import { dnsLabelProblems, labelValueProblems } from "../../names.ts";
import type {
  Affinity,
  NodeSelectorTerm,
  PodAffinityTerm,
  PodSpec,
  Toleration,
  TopologySpreadConstraint,
} from "../../types/mod.ts";
import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from "../field_error.ts";
import { validateLabelName, validateLabels, validateLabelSelector } from "../labels.ts";
import { validateTaintEffect } from "../node.ts";
import { validateOneOf, validateQualifiedName } from "../values.ts";

export function validateScheduling(spec: PodSpec, path: string): FieldError[] {
  return [
    ...validateLabels(spec.nodeSelector, `${path}.nodeSelector`),
    ...validateAffinity(spec.affinity, `${path}.affinity`),
    ...validateGates(spec.schedulingGates ?? [], `${path}.schedulingGates`),
    ...validateSpreading(spec.topologySpreadConstraints ?? [], `${path}.topologySpreadConstraints`),
    ...validateTolerations(spec.tolerations ?? [], `${path}.tolerations`),
  ];
}

function validateTolerations(tolerations: readonly Toleration[], path: string): FieldError[] {
  return tolerations.flatMap((toleration, index) => validateToleration(toleration, `${path}[${index}]`));
}

function validateToleration(toleration: Toleration, path: string): FieldError[] {
  const { key = "", value = "", tolerationSeconds } = toleration;
  const given: string = toleration.operator ?? "";
  const effect: string = toleration.effect ?? "";
  const errors = key === "" ? [] : validateLabelName(key, `${path}.key`);
  const at = `${path}.operator`;
  if (key === "" && given !== "Exists") {
    const detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"';
    errors.push(invalid(at, given, detail));
  }
  if (tolerationSeconds !== undefined && effect !== "NoExecute") {
    errors.push(invalid(`${path}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"));
  }
  if (given === "" || given === "Equal") {
    const problems = labelValueProblems(value);
    if (problems.length > 0) errors.push(invalid(at, value, problems.join(";")));
  } else if (given === "Exists") {
    if (value !== "") errors.push(invalid(at, value, "value must be empty when `operator` is 'Exists'"));
  } else if (given === "Lt" || given === "Gt") {
    errors.push(notSupported(at, given, ["Equal", "Exists", "Lt", "Gt"]));
  } else errors.push(notSupported(at, given, ["Equal", "Exists"]));
  return effect === "" ? errors : [...errors, ...validateTaintEffect(effect, true, `${path}.effect`)];
}

function validateGates(gates: readonly { name: string }[], path: string): FieldError[] {
  const seen = new Set<string>();
  return gates.flatMap(({ name }, index) => {
    const at = `${path}[${index}]`;
    const errors = validateQualifiedName(name ?? "", at);
    if (seen.has(name)) errors.push(duplicate(at, name));
    seen.add(name);
    return errors;
  });
}

function validateAffinity(affinity: Affinity | undefined, path: string): FieldError[] {
  const { nodeAffinity, podAffinity, podAntiAffinity } = affinity ?? {};
  const errors: FieldError[] = [];
  const node = `${path}.nodeAffinity`;
  const wanted = nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (wanted !== undefined) {
    const at = `${node}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms`;
    const terms = wanted.nodeSelectorTerms ?? [];
    if (terms.length === 0) errors.push(required(at, "must have at least one node selector term"));
    terms.forEach((term, index) => errors.push(...validateTerm(term, true, `${at}[${index}]`)));
  }
  const preferred = nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  for (const [index, { weight, preference }] of preferred.entries()) {
    const at = `${node}.preferredDuringSchedulingIgnoredDuringExecution[${index}]`;
    errors.push(
      ...validateWeight(weight, `${at}.weight`),
      ...validateTerm(preference ?? {}, false, `${at}.preference`),
    );
  }
  for (const [name, part] of [["podAffinity", podAffinity], ["podAntiAffinity", podAntiAffinity]] as const) {
    const at = `${path}.${name}`;
    for (const [index, term] of (part?.requiredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
      errors.push(...validatePodTerm(term, `${at}.requiredDuringSchedulingIgnoredDuringExecution[${index}]`));
    }
    for (const [index, weighted] of (part?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
      const where = `${at}.preferredDuringSchedulingIgnoredDuringExecution[${index}]`;
      errors.push(
        ...validateWeight(weighted.weight, `${where}.weight`),
        ...validatePodTerm(weighted.podAffinityTerm, `${where}.podAffinityTerm`),
      );
    }
  }
  return errors;
}

function validateWeight(weight: number | undefined, path: string): FieldError[] {
  const value = weight ?? 0;
  return value > 0 && value <= 100 ? [] : [invalid(path, value, "must be in the range 1-100")];
}

function validateTerm(term: NodeSelectorTerm, checksValues: boolean, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, expression] of (term.matchExpressions ?? []).entries()) {
    errors.push(...validateNodeRequirement(expression, checksValues, `${path}.matchExpressions[${index}]`));
  }
  for (const [index, { key, operator, values = [] }] of (term.matchFields ?? []).entries()) {
    const at = `${path}.matchFields[${index}]`;
    if (operator !== "In" && operator !== "NotIn") {
      errors.push(invalid(`${at}.operator`, operator ?? "", "not a valid selector operator"));
    } else if (values.length !== 1) {
      errors.push(
        required(`${at}.values`, "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"),
      );
    }
    if (key !== "metadata.name") errors.push(invalid(`${at}.key`, key ?? "", "not a valid field selector key"));
  }
  return errors;
}

function validateNodeRequirement(
  { key, operator, values = [] }: { key: string; operator: string; values?: readonly string[] },
  checksValues: boolean,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  const at = `${path}.values`;
  if (operator === "In" || operator === "NotIn") {
    if (values.length === 0) errors.push(required(at, "must be specified when `operator` is 'In' or 'NotIn'"));
  } else if (operator === "Exists" || operator === "DoesNotExist") {
    if (values.length > 0) {
      errors.push(forbidden(at, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
    }
  } else if (operator === "Gt" || operator === "Lt") {
    if (values.length !== 1) {
      errors.push(required(at, "must be specified single value when `operator` is 'Lt' or 'Gt'"));
    }
  } else errors.push(invalid(`${path}.operator`, operator ?? "", "not a valid selector operator"));
  errors.push(...validateLabelName(key ?? "", `${path}.key`));
  if (!checksValues) return errors;
  for (const [index, value] of values.entries()) {
    for (const problem of labelValueProblems(value)) errors.push(invalid(`${at}[${index}]`, value, problem));
  }
  return errors;
}

function validatePodTerm(term: PodAffinityTerm, path: string): FieldError[] {
  const errors = [
    ...validateLabelSelector(term.labelSelector, `${path}.labelSelector`),
    ...validateLabelSelector(term.namespaceSelector, `${path}.namespaceSelector`),
  ];
  for (const name of term.namespaces ?? []) {
    for (const problem of dnsLabelProblems(name)) errors.push(invalid(`${path}.namespace`, name, problem));
  }
  if (!term.topologyKey) errors.push(required(`${path}.topologyKey`, "can not be empty"));
  return [...errors, ...validateLabelName(term.topologyKey ?? "", `${path}.topologyKey`)];
}

function validateSpreading(constraints: readonly TopologySpreadConstraint[], path: string): FieldError[] {
  const pairOf = ({ topologyKey = "", whenUnsatisfiable }: TopologySpreadConstraint) =>
    `{${topologyKey}, ${whenUnsatisfiable ?? ""}}`;
  return constraints.flatMap((constraint, index) => {
    const at = `${path}[${index}]`;
    const { maxSkew = 0, minDomains, topologyKey = "", whenUnsatisfiable = "" } = constraint;
    const errors = maxSkew > 0 ? [] : [invalid(`${at}.maxSkew`, maxSkew, "must be greater than zero")];
    errors.push(
      ...topologyKey === ""
        ? [required(`${at}.topologyKey`, "can not be empty")]
        : validateLabelName(topologyKey, `${at}.topologyKey`),
      ...validateOneOf(whenUnsatisfiable, ["DoNotSchedule", "ScheduleAnyway"], `${at}.whenUnsatisfiable`),
    );
    const pair = pairOf(constraint);
    for (const later of constraints.slice(index + 1)) {
      if (pairOf(later) === pair) errors.push(duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, pair));
    }
    if (minDomains !== undefined && minDomains <= 0) {
      errors.push(invalid(`${at}.minDomains`, minDomains, "must be greater than zero"));
    } else if (minDomains !== undefined && whenUnsatisfiable !== "DoNotSchedule") {
      const detail = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`;
      errors.push(invalid(`${at}.minDomains`, minDomains, detail));
    }
    for (const field of ["nodeAffinityPolicy", "nodeTaintsPolicy"] as const) {
      const policy = constraint[field];
      if (policy !== undefined) errors.push(...validateOneOf(policy, ["Honor", "Ignore"], `${at}.${field}`));
    }
    return [...errors, ...validateLabelSelector(constraint.labelSelector, `${at}.labelSelector`)];
  });
}
