/** What must hold of labels and of selectors for them. */
import { labelValueProblems, qualifiedNameProblems } from "../names.ts";
import type { LabelSelectorData } from "../selectors/mod.ts";
import { type FieldError, forbidden, invalid, required } from "./field_error.ts";

export function validateLabels(labels: Readonly<Record<string, string>> | undefined, path: string): FieldError[] {
  return Object.entries(labels ?? {}).flatMap(([key, value]) => [
    ...validateLabelName(key, path),
    ...labelValueProblems(value).map((problem) => invalid(path, value, problem)),
  ]);
}

export function validateLabelName(name: string, path: string): FieldError[] {
  return qualifiedNameProblems(name).map((problem) => invalid(path, name, problem));
}

export function validateLabelSelector(selector: LabelSelectorData | undefined, path: string): FieldError[] {
  const errors = validateLabels(selector?.matchLabels, `${path}.matchLabels`);
  for (const [index, expression] of (selector?.matchExpressions ?? []).entries()) {
    errors.push(...validateRequirement(expression, `${path}.matchExpressions[${index}]`));
  }
  return errors;
}

function validateRequirement(
  { key, operator, values = [] }: { key: string; operator: string; values?: readonly string[] },
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  switch (operator) {
    case "In":
    case "NotIn":
      if (values.length === 0) {
        errors.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
      }
      break;
    case "Exists":
    case "DoesNotExist":
      if (values.length > 0) {
        errors.push(forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
      }
      break;
    default:
      errors.push(invalid(`${path}.operator`, operator ?? "", "not a valid selector operator"));
  }
  errors.push(...validateLabelName(key ?? "", `${path}.key`));
  for (const [index, value] of values.entries()) {
    for (const problem of labelValueProblems(value)) errors.push(invalid(`${path}.values[${index}]`, value, problem));
  }
  return errors;
}
