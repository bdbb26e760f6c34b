/** Templates of Kubernetes's JSONPath (kubernetes.io, "JSONPath Support"), from text to nodes. */
import { Problem } from "../problem.ts";

export type Step =
  | { type: "field"; name: string }
  | { type: "wildcard" }
  /** Negative: from the end. Several: a union of them. */
  | { type: "names"; names: string[] }
  | { type: "slices"; slices: Slice[] }
  | { type: "filter"; left: Operand; operator: Operator; right: Operand }
  | { type: "exists"; path: Path }
  /** Whatever lies below, at any depth. */
  | { type: "descend" };

/** As in Python; `at` is a single item. */
export type Slice = { at: number } | { from?: number; to?: number; step?: number };

export interface Path {
  /** Whether it begins with the whole object, wherever it stands. */
  isAbsolute: boolean;
  steps: Step[];
}

export type Operand = { literal: string | number | boolean } | { path: Path };
export const OPERATORS = ["==", "!=", "<=", ">=", "<", ">"] as const;
export type Operator = (typeof OPERATORS)[number];

export type TemplateNode =
  | { type: "text"; text: string }
  | { type: "path"; path: Path }
  | { type: "range"; path: Path; body: TemplateNode[] };

/** Levels of `range`, and filters in filters. */
const DEPTH_MAX = 32;

/** Text with paths between braces: `{range .items[*]}{.metadata.name}{"\n"}{end}`. @throws {Problem} */
export function parseTemplate(text: string): TemplateNode[] {
  const root: TemplateNode[] = [];
  const open: TemplateNode[][] = [root];
  for (const { isInside, part } of splitBraces(text)) {
    const into = open.at(-1)!;
    if (!isInside) {
      into.push({ type: "text", text: part });
      continue;
    }
    const words = part.trim();
    if (words === "end") {
      if (open.length === 1) throw wrong(text, "{end} has no {range}");
      open.pop();
    } else if (/^range\b/.test(words)) {
      if (open.length > DEPTH_MAX) throw wrong(text, `ranges may be nested ${DEPTH_MAX} deep at most`);
      const body: TemplateNode[] = [];
      into.push({ type: "range", path: parsePath(words.slice("range".length)), body });
      open.push(body);
    } else if (/^["']/.test(words)) {
      into.push({ type: "text", text: unquote(words) });
    } else {
      into.push({ type: "path", path: parsePath(words) });
    }
  }
  if (open.length > 1) throw wrong(text, "{range} has no {end}");
  return root;
}

/** Also as people shorten it: `.a.b`, `a.b`, `{.a.b}`. @throws {Problem} */
export function parseRelaxed(text: string): Path {
  const inner = text.startsWith("{") && text.endsWith("}") ? text.slice(1, -1) : text;
  return parsePath(/^[.$@[]/.test(inner.trim()) ? inner : `.${inner}`);
}

function splitBraces(text: string): { isInside: boolean; part: string }[] {
  const parts: { isInside: boolean; part: string }[] = [];
  for (let at = 0; at < text.length;) {
    const open = text.indexOf("{", at);
    if (open !== at) parts.push({ isInside: false, part: text.slice(at, open < 0 ? undefined : open) });
    if (open < 0) break;
    const close = endOf(text, open + 1, "}");
    parts.push({ isInside: true, part: text.slice(open + 1, close) });
    at = close + 1;
  }
  return parts;
}

/** Where the closing letter stands that is in no quotes and no inner brackets. */
function endOf(text: string, from: number, closing: string): number {
  const pairs: Record<string, string> = { "(": ")", "[": "]", "{": "}" };
  const expected = [closing];
  for (let at = from; at < text.length; at++) {
    const letter = text[at]!;
    if (letter === "\\") at++;
    else if (letter === '"' || letter === "'") {
      for (at++; at < text.length && text[at] !== letter; at++) if (text[at] === "\\") at++;
    } else if (letter === expected.at(-1)) {
      expected.pop();
      if (expected.length === 0) return at;
    } else if (pairs[letter] !== undefined) {
      expected.push(pairs[letter]);
    }
  }
  throw wrong(text, `a "${expected.at(-1)}" is missing`);
}

function parsePath(text: string, depth = 0): Path {
  const words = text.trim();
  const isAbsolute = words.startsWith("$");
  const steps: Step[] = [];
  let at = isAbsolute || words.startsWith("@") ? 1 : 0;
  if (at === 0 && words !== "" && !/^[.[]/.test(words)) throw wrong(text, "a path begins with a dot");
  while (at < words.length) {
    const letter = words[at]!;
    if (letter === "[") {
      const close = endOf(words, at + 1, "]");
      steps.push(parseBrackets(words.slice(at + 1, close).trim(), depth));
      at = close + 1;
    } else if (letter === ".") {
      if (words[at + 1] === ".") {
        steps.push({ type: "descend" });
        at++;
        if (words[at + 1] === "[") at++;
        else if (words[at + 1] === undefined) throw wrong(text, "a name must follow ..");
        continue;
      }
      const name = /^(?:\\.|[^.[\]{}\s\\])*/.exec(words.slice(at + 1))![0];
      at += 1 + name.length;
      // `{.}` is the object itself, and `.[0]` its first item.
      if (name === "*") steps.push({ type: "wildcard" });
      else if (name !== "") steps.push({ type: "field", name: name.replace(/\\(.)/g, "$1") });
    } else {
      throw wrong(text, `"${letter}" is unexpected`);
    }
  }
  return { isAbsolute, steps };
}

function parseBrackets(text: string, depth: number): Step {
  if (text === "*") return { type: "wildcard" };
  if (text.startsWith("?(") && text.endsWith(")")) return parseFilter(text.slice(2, -1), depth + 1);
  const parts = splitUnion(text);
  if (parts.every((part) => /^(".*"|'.*')$/s.test(part))) return { type: "names", names: parts.map(unquote) };
  return { type: "slices", slices: parts.map((part) => parseSlice(part, text)) };
}

function splitUnion(text: string): string[] {
  return [...text.matchAll(/(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^,])+/g)].map(([part]) => part.trim());
}

function parseSlice(part: string, text: string): Slice {
  const match = /^(-?\d+)$|^(-?\d+)?:(-?\d+)?(?::(\d+))?$/.exec(part);
  if (match === null) throw wrong(text, `"${part}" is no index, slice, name or filter`);
  const [, at, from, to, step] = match;
  if (at !== undefined) return { at: Number(at) };
  if (step !== undefined && Number(step) === 0) throw wrong(text, "a step must be at least 1");
  return {
    ...(from !== undefined && { from: Number(from) }),
    ...(to !== undefined && { to: Number(to) }),
    ...(step !== undefined && { step: Number(step) }),
  };
}

function parseFilter(text: string, depth: number): Step {
  if (depth > DEPTH_MAX) throw wrong(text, `filters may be nested ${DEPTH_MAX} deep at most`);
  for (let at = 0, brackets = 0; at < text.length; at++) {
    const letter = text[at]!;
    if (letter === '"' || letter === "'") {
      at = Math.max(at, text.indexOf(letter, at + 1));
    } else if (letter === "[" || letter === "(") brackets++;
    else if (letter === "]" || letter === ")") brackets--;
    const operator = brackets === 0 ? OPERATORS.find((operator) => text.startsWith(operator, at)) : undefined;
    if (operator === undefined) continue;
    const left = parseOperand(text.slice(0, at), depth);
    return { type: "filter", left, operator, right: parseOperand(text.slice(at + operator.length), depth) };
  }
  return { type: "exists", path: parsePath(text, depth) };
}

function parseOperand(text: string, depth: number): Operand {
  const word = text.trim();
  if (/^["']/.test(word)) return { literal: unquote(word) };
  if (word === "true" || word === "false") return { literal: word === "true" };
  if (/^-?\d+(\.\d+)?$/.test(word)) return { literal: Number(word) };
  return { path: parsePath(word, depth) };
}

const ESCAPES: Record<string, string> = { n: "\n", t: "\t", r: "\r" };

function unquote(text: string): string {
  const word = text.trim();
  if (word.length < 2 || word.at(-1) !== word[0]) throw wrong(text, "a quote is missing");
  return word.slice(1, -1).replace(/\\(.)/gs, (_, letter: string) => ESCAPES[letter] ?? letter);
}

function wrong(text: string, reason: string): Problem {
  return new Problem(`Cannot read the JSONPath ${JSON.stringify(text)}: ${reason}.`);
}
