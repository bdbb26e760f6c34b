import type { TypeFacts } from "../facts/types.ts";
import type { KubernetesObject } from "../types/mod.ts";
import { countMembers, withDuplicates } from "./duplicates.ts";
import { type Decoded, DecodeError, type DecodeOptions, judge } from "./problems.ts";
import { Walk } from "./walk.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/**
 * Reads an object of a known type from JSON.
 * @throws {DecodeError} when it is no JSON, a value has the wrong type, or `fieldValidation` is `Strict` and a field
 * is unknown or stands twice
 */
export function decodeJson<T extends object = KubernetesObject>(
  body: Uint8Array | string,
  type: TypeFacts,
  options: DecodeOptions = {},
): Decoded<T> {
  const text = typeof body === "string" ? body : decoder.decode(body);
  const value = parseJson(text);
  return decodeValue<T>(
    value,
    type,
    options,
    (problems, members) => countMembers(text) === members ? problems : withDuplicates(text, problems),
  );
}

/**
 * Reads an object of a known type from parsed JSON, which it changes and returns.
 * @param addDuplicates adds the fields that stood twice to the other problems, given the number of members in the value
 * @throws {DecodeError} as {@link decodeJson}
 */
export function decodeValue<T extends object = KubernetesObject>(
  value: unknown,
  type: TypeFacts,
  { fieldValidation = "Warn", normalize = true }: DecodeOptions = {},
  addDuplicates: (problems: string[], members: number) => string[] = (problems) => problems,
): Decoded<T> {
  const walk = new Walk(normalize);
  try {
    walk.document(value, type);
  } catch (cause) {
    if (cause instanceof RangeError) throw new DecodeError("json: exceeded max depth", { cause });
    throw cause;
  }
  const problems = fieldValidation === "Ignore" ? [] : addDuplicates(walk.problems, walk.members);
  return judge(value as T, problems, fieldValidation);
}

/** JSON without a type. @throws {DecodeError} when it is no JSON */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DecodeError(`json: ${(cause as Error).message}`, { cause });
  }
}

/** An object as bytes of JSON. */
export function encodeJson(object: unknown): Uint8Array<ArrayBuffer> {
  return encoder.encode(JSON.stringify(object));
}
