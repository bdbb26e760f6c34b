/**
 * Label selectors: as objects (`matchLabels`, `matchExpressions`) and as text (`a=b,c in (x,y),!d`).
 */
import { labelValueProblems, qualifiedNameProblems } from "../names.ts";

/** The API's LabelSelector. */
export interface LabelSelectorData {
  matchLabels?: Readonly<Record<string, string>>;
  matchExpressions?: readonly { key: string; operator: string; values?: readonly string[] }[];
}

export type Operator = "in" | "notin" | "exists" | "!" | "gt" | "lt";

/** One condition; all of a selector's must hold. */
export interface Requirement {
  key: string;
  operator: Operator;
  values: readonly string[];
}

/** A selector that has been read. None selects everything. */
export type Requirements = readonly Requirement[];

/** A selector in text that cannot be read (400). */
export class SelectorError extends Error {
  override name = "SelectorError";
}

const OPERATORS: Record<string, Operator> = { In: "in", NotIn: "notin", Exists: "exists", DoesNotExist: "!" };

/**
 * Whether an object's labels match. A selector that is absent selects nothing, an empty one everything.
 * @throws {SelectorError} where an operator is unknown
 */
export function matches(
  selector: LabelSelectorData | Requirements | undefined,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  if (selector === undefined) return false;
  const requirements = isRequirements(selector) ? selector : requirementsOf(selector);
  return requirements.every((requirement) => holds(requirement, labels ?? {}));
}

/** @throws {SelectorError} for an operator that there is not */
export function requirementsOf(selector: LabelSelectorData): Requirements {
  const requirements: Requirement[] = Object.entries(selector.matchLabels ?? {})
    .map(([key, value]) => ({ key, operator: "in", values: [value] }));
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const known = OPERATORS[operator];
    if (known === undefined) {
      throw new SelectorError(`${JSON.stringify(operator)} is not a valid label selector operator`);
    }
    requirements.push({ key, operator: known, values: values ?? [] });
  }
  return requirements;
}

/** `a=b,c!=d,e in (x,y),f notin (z),g,!h,i>1` @throws {SelectorError} where it cannot be read */
export function parseLabelSelector(text: string): Requirements {
  const tokens = tokenize(text);
  const requirements: Requirement[] = [];
  while (tokens[0] !== undefined) {
    requirements.push(readRequirement(tokens));
    if (tokens[0] === undefined) break;
    expect(tokens, ",");
    if (tokens[0] === undefined) throw new SelectorError("found '', expected: identifier after ','");
  }
  return requirements;
}

/** The text of a selector, in the order of its keys, as `status.selector` of a Scale has it. */
export function formatLabelSelector(selector: LabelSelectorData | Requirements): string {
  const requirements = isRequirements(selector) ? selector : requirementsOf(selector);
  return [...requirements].sort((a, b) => a.key < b.key ? -1 : a.key > b.key ? 1 : 0).map(formatRequirement).join(",");
}

function formatRequirement({ key, operator, values }: Requirement): string {
  const list = [...values].sort().join(",");
  switch (operator) {
    case "in":
      return values.length === 1 ? `${key}=${values[0]}` : `${key} in (${list})`;
    case "notin":
      return `${key} notin (${list})`;
    case "exists":
      return key;
    case "!":
      return `!${key}`;
    case "gt":
      return `${key}>${values[0]}`;
    case "lt":
      return `${key}<${values[0]}`;
  }
}

function holds({ key, operator, values }: Requirement, labels: Readonly<Record<string, string>>): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case "in":
      return value !== undefined && values.includes(value);
    case "notin":
      return value === undefined || !values.includes(value);
    case "exists":
      return value !== undefined;
    case "!":
      return value === undefined;
    case "gt":
    case "lt": {
      if (value === undefined || !isInteger(value)) return false;
      const wanted = BigInt(values[0]!);
      return operator === "gt" ? BigInt(value) > wanted : BigInt(value) < wanted;
    }
  }
}

function tokenize(text: string): string[] {
  return text.match(/!=|==|=|!|>|<|\(|\)|,|[^\s!=<>(),]+/g) ?? [];
}

function readRequirement(tokens: string[]): Requirement {
  const absent = tokens[0] === "!";
  if (absent) tokens.shift();
  const key = tokens.shift() ?? "";
  if (key === "" || /^[!=<>(),]/.test(key)) throw new SelectorError(`found '${key}', expected: identifier`);
  refuse(qualifiedNameProblems(key), "key", key);
  if (absent) return { key, operator: "!", values: [] };
  const operator = tokens[0];
  if (operator === undefined || operator === ",") return { key, operator: "exists", values: [] };
  tokens.shift();
  switch (operator) {
    case "=":
    case "==":
      return { key, operator: "in", values: [readValue(tokens, key)] };
    case "!=":
      return { key, operator: "notin", values: [readValue(tokens, key)] };
    case "in":
    case "notin":
      return { key, operator, values: readValues(tokens, key) };
    case ">":
    case "<": {
      const value = readValue(tokens, key);
      if (!isInteger(value)) throw new SelectorError("for 'Gt', 'Lt' operators, the value must be an integer");
      return { key, operator: operator === ">" ? "gt" : "lt", values: [value] };
    }
    default:
      throw new SelectorError(`found '${operator}', expected: in, notin, =, ==, !=, gt, lt`);
  }
}

function readValue(tokens: string[], key: string): string {
  const value = tokens[0] === undefined || tokens[0] === "," || tokens[0] === ")" ? "" : tokens.shift()!;
  if (/^[!=<>(]/.test(value)) throw new SelectorError(`found '${value}', expected: identifier`);
  refuse(labelValueProblems(value), `values of ${key}`, value);
  return value;
}

function readValues(tokens: string[], key: string): string[] {
  expect(tokens, "(");
  const values = new Set([readValue(tokens, key)]);
  while (tokens[0] === ",") {
    tokens.shift();
    values.add(readValue(tokens, key));
  }
  expect(tokens, ")");
  return [...values];
}

function expect(tokens: string[], wanted: string): void {
  const found = tokens.shift() ?? "";
  if (found !== wanted) throw new SelectorError(`found '${found}', expected: '${wanted}'`);
}

function refuse(problems: string[], what: string, value: string): void {
  if (problems.length > 0) {
    throw new SelectorError(`${what}: Invalid value: ${JSON.stringify(value)}: ${problems.join("; ")}`);
  }
}

function isInteger(text: string): boolean {
  return /^[+-]?\d{1,19}$/.test(text);
}

function isRequirements(selector: LabelSelectorData | Requirements): selector is Requirements {
  return Array.isArray(selector);
}
