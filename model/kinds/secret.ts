import { equalJson } from "../json.ts";
import { configKeyProblems } from "../names.ts";
import { ageOf } from "../time.ts";
import type { Secret } from "../types/mod.ts";
import { AGE_COLUMN, column, defineKind, NAME_COLUMN } from "./define.ts";
import { type FieldError, forbidden, invalid, required, tooLong } from "./field_error.ts";
import { immutable } from "./metadata.ts";
import { base64Length } from "./values.ts";

const BYTES_MAX = 1024 * 1024;
const SEALED = "field is immutable when `immutable` is set";
const ACCOUNT = "kubernetes.io/service-account.name";

/** Keys that a Secret of a type must have. */
const KEYS_BY_TYPE: Record<string, readonly string[]> = {
  "kubernetes.io/dockercfg": [".dockercfg"],
  "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
  "kubernetes.io/ssh-auth": ["ssh-privatekey"],
  "kubernetes.io/tls": ["tls.crt", "tls.key"],
};

export const secret = defineKind<Secret>({
  resource: "secrets",
  type: "v1.Secret",
  namespaced: true,
  defaults(object) {
    object.type ||= "Opaque";
    takeStringData(object);
  },
  validate(object) {
    const data = object.data ?? {};
    const errors: FieldError[] = [];
    let bytes = 0;
    for (const [key, value] of Object.entries(data)) {
      for (const problem of configKeyProblems(key)) errors.push(invalid(`data[${key}]`, key, problem));
      bytes += base64Length(value);
    }
    if (bytes > BYTES_MAX) errors.push(tooLong("data", BYTES_MAX));
    return [...errors, ...validateType(object, data)];
  },
  validateChange(next, old) {
    const errors = immutable("type", next.type, old.type);
    if (!old.immutable) return errors;
    if (!next.immutable) errors.push(forbidden("immutable", SEALED));
    if (!equalJson(next.data ?? {}, old.data ?? {})) errors.push(forbidden("data", SEALED));
    return errors;
  },
  columns: [
    NAME_COLUMN,
    column("Type", "What the entries are for."),
    column("Data", "How many entries it has."),
    AGE_COLUMN,
  ],
  row: ({ metadata, type, data = {} }, now) => [
    metadata.name,
    type ?? "",
    Object.keys(data).length,
    ageOf(metadata.creationTimestamp, now),
  ],
  selectableFields: ({ type }) => ({ type: type ?? "" }),
});

/** `stringData` is for writing only: it becomes `data`, whose entries it replaces. */
function takeStringData(object: Secret): void {
  if (object.stringData === undefined) return;
  for (const [key, text] of Object.entries(object.stringData)) {
    (object.data ??= {})[key] = new TextEncoder().encode(text).toBase64();
  }
  delete object.stringData;
}

function validateType({ type = "", metadata }: Secret, data: Record<string, string>): FieldError[] {
  if (type === "kubernetes.io/service-account-token") {
    return metadata.annotations?.[ACCOUNT] ? [] : [required(`metadata.annotations[${ACCOUNT}]`)];
  }
  if (type === "kubernetes.io/basic-auth") {
    const keys = ["username", "password"];
    return keys.some((key) => Object.hasOwn(data, key)) ? [] : keys.map((key) => required(`data[${key}]`));
  }
  const keys = KEYS_BY_TYPE[type] ?? [];
  const missing = keys.filter((key) =>
    !Object.hasOwn(data, key) || (type === "kubernetes.io/ssh-auth" && data[key] === "")
  );
  if (missing.length > 0) return missing.map((key) => required(`data[${key}]`));
  if (!type.startsWith("kubernetes.io/dockerc")) return [];
  return keys.flatMap((key) =>
    isJsonText(data[key]!) ? [] : [
      invalid(`data[${key}]`, "<secret contents redacted>", "must be a JSON object"),
    ]
  );
}

function isJsonText(base64: string): boolean {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(base64)));
    return typeof value === "object" && !Array.isArray(value);
  } catch {
    return false;
  }
}
