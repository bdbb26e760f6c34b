/** A body that cannot be read as the type that it should be. The API answers 400 BadRequest. */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
}

/** Where a value stands: member names, and numbers for items of lists. */
export type Path = (string | number)[];

/** `spec.containers[0].name`. */
export function pathText(path: Path): string {
  let text = "";
  for (const part of path) text += typeof part === "number" ? `[${part}]` : text === "" ? part : `.${part}`;
  return text;
}

/** What happens to fields that the type does not have or that stand twice in one object. */
export type FieldValidation = "Ignore" | "Warn" | "Strict";

/** Problems kept; a body made of nonsense must not make an answer of its own size. */
export const PROBLEMS_MAX = 100;

export interface DecodeOptions {
  /**
   * `Ignore` drops them silently, `Warn` names them in {@link Decoded.problems}, `Strict` throws.
   * @default "Warn"
   */
  fieldValidation?: FieldValidation;
  /**
   * Give the object the form in which it is stored: unknown fields, nulls and zero values that JSON does not show are
   * dropped, structs that JSON always shows are added. Turn it off for patches, which say something by what is there.
   * @default true
   */
  normalize?: boolean;
}

export interface Decoded<T> {
  object: T;
  /** `unknown field "spec.foo"`, `duplicate field "spec.replicas"`; at most {@link PROBLEMS_MAX}. */
  problems: string[];
}

/** Applies the field validation to what was found. */
export function judge<T>(object: T, problems: string[], validation: FieldValidation): Decoded<T> {
  if (validation === "Strict" && problems.length > 0) {
    throw new DecodeError(`strict decoding error: ${problems.join(", ")}`);
  }
  return { object, problems: validation === "Ignore" ? [] : problems };
}
