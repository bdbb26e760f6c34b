/** Field selectors: `metadata.name=a,status.phase!=Running`. Commas, equals signs and backslashes in values are escaped. */
import { SelectorError } from "./label_selector.ts";

export interface FieldRequirement {
  field: string;
  /** Whether the value must be this one, or must not. */
  equal: boolean;
  value: string;
}

/** @throws {SelectorError} where it cannot be read */
export function parseFieldSelector(text: string): FieldRequirement[] {
  return splitUnescaped(text).filter((term) => term !== "").map((term) => {
    const parts = /^((?:\\.|[^\\=!])*?)\s*(==|!=|=)((?:\\.|[^\\])*)$/s.exec(term);
    if (parts === null) {
      throw new SelectorError(`invalid selector: '${text}'; can't understand '${term}'`);
    }
    return { field: parts[1]!, equal: parts[2] !== "!=", value: unescape(parts[3]!, text) };
  });
}

/**
 * @param fields what the object may be asked for: a Kind's `selectableFields`
 * @throws {SelectorError} where the selector asks for another field
 */
export function matchesFields(
  selector: readonly FieldRequirement[],
  fields: Readonly<Record<string, string>>,
): boolean {
  return selector.every(({ field, equal, value }) => {
    if (!Object.hasOwn(fields, field)) throw new SelectorError(`field label not supported: ${field}`);
    return (fields[field] === value) === equal;
  });
}

/** The text that reads as the same requirements. */
export function formatFieldSelector(selector: readonly FieldRequirement[]): string {
  return selector.map(({ field, equal, value }) => `${field}${equal ? "=" : "!="}${value.replace(/[\\,=]/g, "\\$&")}`)
    .join(",");
}

function splitUnescaped(text: string): string[] {
  const terms: string[] = [];
  let term = "";
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "\\" && i + 1 < text.length) term += text[i++]! + text[i]!;
    else if (text[i] === ",") {
      terms.push(term);
      term = "";
    } else term += text[i];
  }
  return [...terms, term];
}

function unescape(value: string, selector: string): string {
  if (/(?<!\\)(\\\\)*[=]/.test(value)) {
    throw new SelectorError(
      `invalid selector: '${selector}'; invalid field selector value '${value}': unescaped equals sign`,
    );
  }
  return value.replace(/\\(.)/gs, (all, character: string) => {
    if (!"\\,=".includes(character)) throw new SelectorError(`invalid field selector: invalid escape sequence: ${all}`);
    return character;
  });
}
