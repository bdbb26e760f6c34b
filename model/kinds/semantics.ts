/** Whether two parts of objects mean the same. */
import { normalForm } from "../apply/normal_form.ts";
import { typeByKey } from "../facts/mod.ts";
import type { JsonObject } from "../json.ts";

/** An object without what its type cannot tell from absent. @param type its key in the facts */
export function normalObject<T extends object>(object: T, type: string | undefined): T {
  const facts = type === undefined ? undefined : typeByKey(type);
  return facts === undefined ? object : normalForm(object as unknown as JsonObject, facts) as unknown as T;
}

/** Equality in which what is empty equals what is absent, as the API's types cannot tell them apart. */
export function equalSemantically(a: unknown, b: unknown): boolean {
  if (a === b || (isVoid(a) && isVoid(b))) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  if (Array.isArray(a) && a.length !== (b as unknown[]).length) return false;
  for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
    if (!equalSemantically(left[name], right[name])) return false;
  }
  return true;
}

function isVoid(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return Array.isArray(value) && value.length === 0;
}
