import type { FieldFacts } from "../facts/fields.ts";
import { typeByKey, type TypeFacts } from "../facts/types.ts";
import { setOwn } from "../json.ts";
import { QUANTITY_PROBLEM } from "../quantity.ts";
import { DecodeError, type Path, pathText, PROBLEMS_MAX } from "./problems.ts";
import { canonicalMicroTime, canonicalTime, checkedQuantity, parseDuration } from "./scalars.ts";

type Members = Record<string, unknown>;

const INT32_MAX = 2 ** 31 - 1;
const INT32_MIN = -(2 ** 31);

/**
 * One walk over parsed JSON along the facts of its type: finds unknown fields, refuses values of the wrong type, and
 * gives the object the form in which it is stored. Changes the object in place.
 */
export class Walk {
  /** `unknown field "…"`, in the order of the body. */
  readonly problems: string[] = [];
  /** Members of all objects, at any depth; compared with the text it tells whether a field stood twice. */
  members = 0;
  readonly #path: Path = [];
  readonly #normalize: boolean;

  constructor(normalize: boolean) {
    this.#normalize = normalize;
  }

  /** The whole document. */
  document(value: unknown, type: TypeFacts): void {
    if (!isMembers(value)) {
      throw new DecodeError(`json: cannot unmarshal ${jsonType(value)} into Go value of type ${goName(type)}`);
    }
    this.#message(value, type);
  }

  #message(object: Members, type: TypeFacts): void {
    for (const name in object) {
      this.members++;
      const field = type.field(name);
      const value = object[name];
      if (field === undefined) this.#stranger(object, name, value, type);
      else if (value === null) this.#drop(object, name);
      else {
        this.#path.push(name);
        const kept = field.shape === "one" ? this.#one(value, field, type) : this.#many(value, field, type);
        this.#path.pop();
        if (this.#normalize && !field.pointer && !field.always && isZero(kept)) delete object[name];
        else if (kept !== value) object[name] = kept;
      }
    }
    if (this.#normalize) showFields(object, type);
  }

  /** A member that the type does not have. */
  #stranger(object: Members, name: string, value: unknown, type: TypeFacts): void {
    if (type.isKind && (name === "kind" || name === "apiVersion")) {
      if (typeof value !== "string") throw this.#mismatch(value, "string", type, name);
      return;
    }
    this.#count(value);
    if (this.problems.length < PROBLEMS_MAX) {
      this.problems.push(`unknown field ${JSON.stringify(pathText([...this.#path, name]))}`);
    }
    this.#drop(object, name);
  }

  #drop(object: Members, name: string): void {
    if (this.#normalize) delete object[name];
  }

  #one(value: unknown, field: FieldFacts, owner: TypeFacts): unknown {
    const type = field.type;
    if (type === undefined) return this.#scalar(value, field, owner);
    if (!isMembers(value)) throw this.#mismatch(value, goName(type), owner);
    this.#message(value, type);
    return value;
  }

  #many(value: unknown, field: FieldFacts, owner: TypeFacts): unknown {
    if (field.shape === "list") {
      if (!Array.isArray(value)) throw this.#mismatch(value, `[]${elementName(field)}`, owner);
      for (let i = 0; i < value.length; i++) {
        this.#path.push(i);
        const kept = this.#element(value[i], field, owner);
        if (kept !== value[i]) value[i] = kept;
        this.#path.pop();
      }
      return value;
    }
    if (!isMembers(value)) throw this.#mismatch(value, `map[string]${elementName(field)}`, owner);
    for (const key in value) {
      this.members++;
      this.#path.push(key);
      const kept = this.#element(value[key], field, owner);
      if (kept !== value[key]) setOwn(value, key, kept);
      this.#path.pop();
    }
    return value;
  }

  /** An item of a list or a value of a map; null stands for the zero value. */
  #element(value: unknown, field: FieldFacts, owner: TypeFacts): unknown {
    if (value === null && this.#normalize) value = zeroOf(field);
    if (value === null) return value;
    return this.#one(value, field, owner);
  }

  #scalar(value: unknown, field: FieldFacts, owner: TypeFacts): unknown {
    switch (field.scalar) {
      case "string":
        if (typeof value !== "string") throw this.#mismatch(value, "string", owner);
        return value;
      case "bool":
        if (typeof value !== "boolean") throw this.#mismatch(value, "bool", owner);
        return value;
      case "int32":
        if (!Number.isInteger(value) || value as number > INT32_MAX || value as number < INT32_MIN) {
          throw this.#mismatch(value, "int32", owner);
        }
        return value;
      case "int64":
        if (!Number.isInteger(value)) throw this.#mismatch(value, "int64", owner);
        return value;
      case "double":
        if (typeof value !== "number") throw this.#mismatch(value, "float64", owner);
        return value;
      case "IntOrString":
        if (typeof value !== "string" && !Number.isInteger(value)) throw this.#mismatch(value, "string", owner);
        return value;
      case "Quantity":
        return this.#quantity(value);
      case "Time":
      case "MicroTime":
        return this.#time(value, field.scalar, owner);
      case "Duration":
        if (typeof value !== "string" || parseDuration(value) === undefined) {
          throw this.#mismatch(value, "string", owner);
        }
        return value;
      case "bytes":
        if (typeof value !== "string") throw this.#mismatch(value, "[]uint8", owner);
        return this.#base64(value);
      case "strings":
        return this.#strings(value, owner);
      case "FieldsV1":
      case "RawExtension":
      case "JSON":
      case undefined:
        this.#count(value);
        return value;
      default:
        return this.#schemaOr(value, field, owner);
    }
  }

  /** Line breaks in base64 mean nothing. */
  #base64(text: string): string {
    const plain = /[\r\n]/.test(text) ? text.replace(/[\r\n]/g, "") : text;
    if (!isBase64(plain)) throw new DecodeError(`${pathText(this.#path)}: illegal base64 data`);
    return this.#normalize ? plain : text;
  }

  #quantity(value: unknown): unknown {
    const text = typeof value === "number" ? String(value) : value;
    const quantity = typeof text === "string" ? checkedQuantity(text) : undefined;
    if (quantity === undefined) throw new DecodeError(`${pathText(this.#path)}: ${QUANTITY_PROBLEM}`);
    return this.#normalize ? quantity : value;
  }

  #time(value: unknown, scalar: "Time" | "MicroTime", owner: TypeFacts): unknown {
    if (typeof value !== "string") throw this.#mismatch(value, "string", owner);
    const time = scalar === "Time" ? canonicalTime(value) : canonicalMicroTime(value);
    if (time === undefined) {
      const layout = scalar === "Time" ? "2006-01-02T15:04:05Z07:00" : "2006-01-02T15:04:05.000000Z07:00";
      throw new DecodeError(
        `${pathText(this.#path)}: parsing time ${JSON.stringify(value)} as "${layout}": cannot parse`,
      );
    }
    return this.#normalize ? time : value;
  }

  #strings(value: unknown, owner: TypeFacts): unknown {
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
      throw this.#mismatch(value, "[]string", owner);
    }
    return value;
  }

  /** The unions in the schema of a custom resource: a schema, or a list, a boolean or strings. */
  #schemaOr(value: unknown, field: FieldFacts, owner: TypeFacts): unknown {
    const schema = typeByKey("apiextensions.k8s.io/v1.JSONSchemaProps")!;
    if (isMembers(value)) this.#message(value, schema);
    else if (Array.isArray(value)) { for (const item of value) if (isMembers(item)) this.#message(item, schema); }
    else if (field.scalar !== "SchemaOrBool") throw this.#mismatch(value, goName(schema), owner);
    return value;
  }

  #mismatch(value: unknown, expected: string, owner: TypeFacts, member?: string): DecodeError {
    const path = member === undefined ? this.#path : [...this.#path, member];
    const names = path.filter((part) => typeof part === "string").join(".");
    return new DecodeError(
      `json: cannot unmarshal ${jsonType(value)} into Go struct field ${owner.name}.${names} of type ${expected}`,
    );
  }

  /** Counts the members below a value of which nothing is known. */
  #count(value: unknown): void {
    if (typeof value !== "object" || value === null) return;
    if (Array.isArray(value)) {
      for (const item of value) this.#count(item);
      return;
    }
    for (const name in value) {
      this.members++;
      this.#count((value as Members)[name]);
    }
  }
}

/** Adds what an object as stored always shows; see {@link TypeFacts.shown}. */
export function showFields(object: Members, type: TypeFacts): void {
  for (const field of type.shown) {
    if (object[field.name] !== undefined) continue;
    const zero = field.shape === "list" ? [] : zeroOf(field);
    if (field.type !== undefined && field.shape === "one") showFields(zero as Members, field.type);
    object[field.name] = zero;
  }
}

/** The zero value of a field's value, item or map value. */
export function zeroOf(field: FieldFacts): unknown {
  switch (field.scalar) {
    case undefined:
      return {};
    case "string":
    case "bytes":
      return "";
    case "bool":
      return false;
    case "int32":
    case "int64":
    case "double":
    case "IntOrString":
      return 0;
    case "Quantity":
      return "0";
    case "strings":
      return [];
    default:
      return null;
  }
}

function isMembers(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Is it what JSON leaves out: `""`, 0, false, an empty list or map? */
function isZero(value: unknown): boolean {
  if (typeof value !== "object") return value === "" || value === 0 || value === false;
  if (Array.isArray(value)) return value.length === 0;
  for (const _ in value) return false;
  return true;
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}

function jsonType(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return `number ${value}`;
  return typeof value === "boolean" ? "bool" : typeof value;
}

/** `v1.PodSpec`, as Go would name it. */
function goName(type: TypeFacts): string {
  return type.key.slice(type.key.lastIndexOf("/") + 1);
}

function elementName(field: FieldFacts): string {
  return field.type === undefined ? field.scalar! : goName(field.type);
}
