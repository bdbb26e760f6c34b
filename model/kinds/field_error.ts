/**
 * One thing wrong with one field, in the words that users of Kubernetes know.
 *
 * Shapes and texts follow k8s.io/apimachinery `util/validation/field` (1.35): `spec.replicas: Invalid value: -1: must be …`.
 */
import type { Json } from "../json.ts";

/** The reason of a StatusCause, with the words that begin the message. */
const WORDS = {
  FieldValueNotFound: "Not found",
  FieldValueRequired: "Required value",
  FieldValueDuplicate: "Duplicate value",
  FieldValueInvalid: "Invalid value",
  FieldValueNotSupported: "Unsupported value",
  FieldValueForbidden: "Forbidden",
  FieldValueTooLong: "Too long",
  FieldValueTooMany: "Too many",
  InternalError: "Internal error",
  FieldValueTypeInvalid: "Invalid value",
} as const;

export type FieldErrorType = keyof typeof WORDS;

export interface FieldError {
  type: FieldErrorType;
  /** `spec.containers[0].name` */
  field: string;
  /** Everything after the field and its colon. */
  body: string;
}

export const required = (field: string, detail = ""): FieldError =>
  make("FieldValueRequired", field, undefined, detail);
export const forbidden = (field: string, detail: string): FieldError =>
  make("FieldValueForbidden", field, undefined, detail);
export const invalid = (field: string, value: unknown, detail: string): FieldError =>
  make("FieldValueInvalid", field, shown(value), detail);
/** Where the value would say nothing. */
export const invalidAltogether = (field: string, detail: string): FieldError =>
  make("FieldValueInvalid", field, undefined, detail);
export const duplicate = (field: string, value: unknown): FieldError =>
  make("FieldValueDuplicate", field, shown(value), "");
export const notFound = (field: string, value: unknown): FieldError =>
  make("FieldValueNotFound", field, shown(value), "");
export const internalError = (field: string, detail: string): FieldError =>
  make("InternalError", field, undefined, detail);

/** @param bytesMax not shown when negative */
export const tooLong = (field: string, bytesMax: number): FieldError =>
  make(
    "FieldValueTooLong",
    field,
    undefined,
    bytesMax >= 0 ? `may not be more than ${bytesMax} ${bytesMax === 1 ? "byte" : "bytes"}` : "value is too long",
  );

export const tooMany = (field: string, count: number, max: number): FieldError =>
  make(
    "FieldValueTooMany",
    field,
    String(count),
    max >= 0 ? `must have at most ${max} ${max === 1 ? "item" : "items"}` : "has too many items",
  );

export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  const detail = supported.length === 0 ? "" : `supported values: ${supported.map(quote).join(", ")}`;
  return make("FieldValueNotSupported", field, shown(value), detail);
}

/** `spec.containers: Required value` */
export function formatFieldError(error: FieldError): string {
  return `${error.field}: ${error.body}`;
}

/** The message of the Status that refuses the object: one error as it is, several in brackets. */
export function formatInvalid(kind: string, name: string, errors: readonly FieldError[]): string {
  const texts = [...new Set(errors.map(formatFieldError))];
  const list = texts.length === 1 ? texts[0] : `[${texts.join(", ")}]`;
  return `${kind} ${quote(name)} is invalid: ${list}`;
}

/** The causes of that Status. */
export function causesOf(errors: readonly FieldError[]): { reason: string; message: string; field: string }[] {
  return errors.map(({ type, field, body }) => ({ reason: type, message: body, field }));
}

/** Go's %q, near enough for what occurs in fields. */
export function quote(text: string): string {
  return JSON.stringify(text);
}

function make(type: FieldErrorType, field: string, value: string | undefined, detail: string): FieldError {
  let body: string = WORDS[type];
  if (value !== undefined) body += `: ${value}`;
  if (detail !== "") body += `: ${detail}`;
  return { type, field, body };
}

function shown(value: unknown): string {
  if (value === undefined || value === null) return "null";
  if (typeof value === "object") return JSON.stringify(value as Json);
  return typeof value === "string" ? quote(value) : String(value);
}
