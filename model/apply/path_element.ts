/** Path elements as fieldsV1 writes them: made, ordered and shown. */
import { canonicalJson, isJsonObject, type Json, type JsonObject } from "../json.ts";
import type { PathElement } from "./field_set.ts";

export const fieldElement = (name: string): PathElement => `f:${name}`;
export const valueElement = (value: Json): PathElement => `v:${canonicalJson(value)}`;
export const keyElement = (key: JsonObject): PathElement => `k:${canonicalJson(key)}`;

/** Fields first, then items by key, by value, by place. */
const KINDS = "fkvi";

export function comparePathElements(a: PathElement, b: PathElement): number {
  if (a === b) return 0;
  const kind = a[0]!;
  if (kind !== b[0]) return KINDS.indexOf(kind) - KINDS.indexOf(b[0]!);
  const left = a.slice(2);
  const right = b.slice(2);
  if (kind === "f") return compareText(left, right);
  if (kind === "i") return Number(left) - Number(right);
  const x = parse(left);
  const y = parse(right);
  return kind === "k" && isJsonObject(x) && isJsonObject(y) ? compareKeys(x, y) : compareValues(x, y);
}

/** `.name`, `[name="a",port=80]`, `[="x"]`, `[0]` */
export function showPathElement(element: PathElement): string {
  const rest = element.slice(2);
  switch (element[0]) {
    case "f":
      return `.${rest}`;
    case "k": {
      const key = parse(rest);
      if (!isJsonObject(key)) return `[${rest}]`;
      return `[${Object.keys(key).sort().map((name) => `${name}=${JSON.stringify(key[name])}`).join(",")}]`;
    }
    case "v":
      return `[=${rest}]`;
    default:
      return `[${rest}]`;
  }
}

function compareKeys(a: JsonObject, b: JsonObject): number {
  const left = Object.keys(a).sort();
  const right = Object.keys(b).sort();
  for (let i = 0; i < left.length && i < right.length; i++) {
    const names = compareText(left[i]!, right[i]!);
    if (names !== 0) return names;
    const values = compareValues(a[left[i]!]!, b[right[i]!]!);
    if (values !== 0) return values;
  }
  return left.length - right.length;
}

function compareValues(a: Json, b: Json): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "string" && typeof b === "string") return compareText(a, b);
  const rank = (value: Json) => ["number", "string", "boolean"].indexOf(typeof value);
  return rank(a) - rank(b) || compareText(canonicalJson(a), canonicalJson(b));
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    // A foreign entry: kept and ordered as text.
    return text;
  }
}
