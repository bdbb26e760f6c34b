import { equalJson } from "../json.ts";
import { configKeyProblems } from "../names.ts";
import { ageOf } from "../time.ts";
import type { ConfigMap } from "../types/mod.ts";
import { AGE_COLUMN, column, defineKind, NAME_COLUMN } from "./define.ts";
import { type FieldError, forbidden, invalid, tooLong } from "./field_error.ts";
import { base64Length } from "./values.ts";

const BYTES_MAX = 1024 * 1024;
const SEALED = "field is immutable when `immutable` is set";

export const configMap = defineKind<ConfigMap>({
  resource: "configmaps",
  type: "v1.ConfigMap",
  namespaced: true,
  validate({ data = {}, binaryData = {} }) {
    const errors: FieldError[] = [];
    let bytes = 0;
    for (const [key, value] of Object.entries(data)) {
      errors.push(...keyErrors("data", key));
      if (Object.hasOwn(binaryData, key)) {
        errors.push(invalid(`data[${key}]`, key, "duplicate of key present in binaryData"));
      }
      bytes += new TextEncoder().encode(value).length;
    }
    for (const [key, value] of Object.entries(binaryData)) {
      errors.push(...keyErrors("binaryData", key));
      bytes += base64Length(value);
    }
    if (bytes > BYTES_MAX) errors.push(tooLong("[]", BYTES_MAX));
    return errors;
  },
  validateChange(next, old) {
    if (!old.immutable) return [];
    const errors: FieldError[] = [];
    if (!next.immutable) errors.push(forbidden("immutable", SEALED));
    if (!equalJson(next.data ?? {}, old.data ?? {})) errors.push(forbidden("data", SEALED));
    if (!equalJson(next.binaryData ?? {}, old.binaryData ?? {})) errors.push(forbidden("binaryData", SEALED));
    return errors;
  },
  columns: [NAME_COLUMN, column("Data", "How many entries it has."), AGE_COLUMN],
  row: ({ metadata, data = {}, binaryData = {} }, now) => [
    metadata.name,
    Object.keys(data).length + Object.keys(binaryData).length,
    ageOf(metadata.creationTimestamp, now),
  ],
});

function keyErrors(field: string, key: string): FieldError[] {
  return configKeyProblems(key).map((problem) => invalid(`${field}[${key}]`, key, problem));
}
