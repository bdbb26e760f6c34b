/** Messages from protobuf, by the facts of their types. */
import type { FieldFacts } from "../facts/fields.ts";
import { typeByKey, type TypeFacts, typeFacts } from "../facts/types.ts";
import { parseApiVersion } from "../facts/resources.ts";
import { QUANTITY_PROBLEM } from "../quantity.ts";
import type { KubernetesObject } from "../types/mod.ts";
import { isEnvelope, openEnvelope } from "./envelope.ts";
import { parseJson } from "./json.ts";
import { DecodeError } from "./problems.ts";
import { checkedQuantity, durationText, microTimeText, timeText } from "./scalars.ts";
import { setOwn } from "../json.ts";
import { showFields, zeroOf } from "./walk.ts";
import { BYTES, VARINT, WireReader } from "./wire.ts";

type Members = Record<string, unknown>;

/** The schema of a custom resource nests, and so may its message; anything deeper is an attack. */
const DEPTH_MAX = 200;
/** Seconds of the years 1 and 10000, between which RFC 3339 lies. The year 1 itself is Go's "no time". */
const TIME_MIN = -62135596800;
const TIME_MAX = 253402300800;

const decoder = new TextDecoder();

/**
 * An object from its envelope, in the form in which objects are stored.
 * @param type the type to read; that of the envelope's own apiVersion and kind when absent
 * @throws {DecodeError}
 */
export function decodeProtobuf<T extends object = KubernetesObject>(bytes: Uint8Array, type?: TypeFacts): T {
  return decodeEnvelope(bytes, type) as T;
}

function decodeEnvelope(bytes: Uint8Array, type?: TypeFacts): Members {
  const { apiVersion, kind, message, contentType } = openEnvelope(bytes);
  if (contentType === "application/json") return parseJson(decoder.decode(message)) as Members;
  const { group, version } = parseApiVersion(apiVersion);
  const known = type ?? typeFacts(group, version, kind);
  if (known === undefined) throw new DecodeError(`no kind "${kind}" is registered for version "${apiVersion}"`);
  const object = decodeMessage(message, known);
  // Some clients leave the kind to the address that they write to.
  return { ...(apiVersion !== "" && { apiVersion }), ...(kind !== "" && { kind }), ...object };
}

/** A message without an envelope, in the form in which objects are stored. @throws {DecodeError} */
export function decodeMessage(bytes: Uint8Array, type: TypeFacts): Members {
  const object: Members = {};
  readMessage(new WireReader(bytes), bytes.length, object, type, 0);
  return object;
}

function readMessage(reader: WireReader, end: number, object: Members, type: TypeFacts, depth: number): void {
  readFields(reader, end, object, type, depth);
  showFields(object, type);
}

function readFields(reader: WireReader, end: number, object: Members, type: TypeFacts, depth: number): void {
  if (depth > DEPTH_MAX) throw new DecodeError(`proto: exceeded max depth in ${type.key}`);
  while (reader.position < end) {
    const tag = reader.uint();
    const wireType = tag & 7;
    const field = type.byNumber(tag >>> 3);
    if (field === undefined) reader.skip(wireType);
    else if (field.shape === "map") readEntry(reader, object, field, depth);
    else if (field.shape === "list") readItem(reader, object, field, wireType, depth);
    else if (field.inline) readFields(reader, reader.end(), object, field.type!, depth + 1);
    else readOne(reader, object, field, wireType, depth);
  }
  if (reader.position > end) throw new DecodeError(`proto: a field of ${type.key} runs over the message's end`);
}

function readOne(reader: WireReader, object: Members, field: FieldFacts, wireType: number, depth: number): void {
  const value = readValue(reader, field, wireType, depth);
  if (value === undefined || value === null) return;
  // A non-pointer that says zero says nothing, unless JSON shows it.
  if (!field.pointer && !field.always && (value === "" || value === 0 || value === false)) return;
  if (!field.pointer && !field.always && field.scalar === "strings" && (value as unknown[]).length === 0) return;
  object[field.name] = value;
}

function readItem(reader: WireReader, object: Members, field: FieldFacts, wireType: number, depth: number): void {
  const items = (object[field.name] ??= []) as unknown[];
  const isNumber = field.scalar === "int32" || field.scalar === "int64" || field.scalar === "bool";
  if (isNumber && wireType === BYTES) {
    for (const end = reader.end(); reader.position < end;) items.push(readValue(reader, field, VARINT, depth));
  } else items.push(readValue(reader, field, wireType, depth) ?? null);
}

function readEntry(reader: WireReader, object: Members, field: FieldFacts, depth: number): void {
  const map = (object[field.name] ??= {}) as Members;
  const end = reader.end();
  let key = "";
  let value: unknown;
  while (reader.position < end) {
    const tag = reader.uint();
    if (tag === 8 + BYTES) key = reader.string();
    else if (tag >>> 3 === 2) value = readValue(reader, field, tag & 7, depth);
    else reader.skip(tag & 7);
  }
  setOwn(map, key, value ?? zeroOf(field));
}

/** A value, item or map value; undefined when it says "none" (no time). */
function readValue(reader: WireReader, field: FieldFacts, wireType: number, depth: number): unknown {
  const numeric = field.scalar === "int32" || field.scalar === "int64" || field.scalar === "bool";
  if (field.scalar !== "double" && wireType !== (numeric ? VARINT : BYTES)) {
    throw new DecodeError(`proto: wrong wire type ${wireType} for field ${field.name}`);
  }
  switch (field.scalar) {
    case "string":
      return reader.string();
    case undefined: {
      const object: Members = {};
      readMessage(reader, reader.end(), object, field.type!, depth + 1);
      return object;
    }
    case "int32":
    case "int64":
      return reader.int();
    case "bool":
      return reader.int() !== 0;
    case "double":
      return reader.double();
    case "bytes":
      return reader.bytes().toBase64();
    case "Quantity": {
      // A quantity of zero, as Go leaves it, is an empty message.
      let text = "0";
      eachField(reader, (number) => number === 1 && (text = reader.string(), true));
      const quantity = checkedQuantity(text);
      if (quantity === undefined) throw new DecodeError(`proto: field ${field.name}: ${QUANTITY_PROBLEM}`);
      return quantity;
    }
    case "IntOrString":
      return readIntOrString(reader);
    case "Time":
    case "MicroTime":
      return readTime(reader, field.scalar);
    case "Duration": {
      let nanos = 0;
      eachField(reader, (number) => number === 1 && (nanos = reader.int(), true));
      return durationText(nanos);
    }
    case "strings": {
      const items: string[] = [];
      eachField(reader, (number) => number === 1 && (items.push(reader.string()), true));
      return items;
    }
    case "RawExtension":
    case "JSON":
    case "FieldsV1":
      return readRaw(reader);
    default:
      return readSchemaOr(reader, field, depth);
  }
}

/** Reads the fields of a small message; `read` says whether it took the field. */
function eachField(reader: WireReader, read: (number: number) => boolean): void {
  const end = reader.end();
  while (reader.position < end) {
    const tag = reader.uint();
    if (!read(tag >>> 3)) reader.skip(tag & 7);
  }
}

function readIntOrString(reader: WireReader): number | string {
  let kind = 0;
  let number = 0;
  let text = "";
  eachField(reader, (field) => {
    if (field === 1) kind = reader.int();
    else if (field === 2) number = reader.int();
    else if (field === 3) text = reader.string();
    else return false;
    return true;
  });
  return kind === 1 ? text : number;
}

function readTime(reader: WireReader, scalar: "Time" | "MicroTime"): string | undefined {
  let seconds: number | undefined;
  let nanos = 0;
  eachField(reader, (field) => {
    if (field === 1) seconds = reader.int();
    else if (field === 2) nanos = reader.int();
    else return false;
    return true;
  });
  if (seconds === undefined || seconds === TIME_MIN) return undefined;
  if (!(seconds > TIME_MIN && seconds < TIME_MAX)) throw new DecodeError(`proto: ${seconds} s is no time`);
  if (!(nanos >= 0 && nanos < 1e9)) throw new DecodeError(`proto: ${nanos} ns is no part of a second`);
  return scalar === "Time" ? timeText(seconds) : microTimeText(seconds, nanos);
}

/** JSON, or an object in an envelope of its own. */
function readRaw(reader: WireReader): unknown {
  let raw: Uint8Array | undefined;
  eachField(reader, (number) => number === 1 && (raw = reader.bytes(), true));
  if (raw === undefined || raw.length === 0) return undefined;
  if (isEnvelope(raw)) return decodeEnvelope(raw);
  return parseJson(decoder.decode(raw));
}

/** `{allows = 1, schema = 2}`, `{schema = 1, strings = 2}` or `{schema = 1, schemas = 2}`. */
function readSchemaOr(reader: WireReader, field: FieldFacts, depth: number): unknown {
  const type = typeByKey("apiextensions.k8s.io/v1.JSONSchemaProps")!;
  const schema = () => {
    const object: Members = {};
    readMessage(reader, reader.end(), object, type, depth + 1);
    return object;
  };
  let one: unknown;
  const many: unknown[] = [];
  eachField(reader, (number) => {
    if (field.scalar === "SchemaOrBool") {
      if (number === 1) one ??= reader.int() !== 0;
      else if (number === 2) one = schema();
      else return false;
    } else if (number === 1) one = schema();
    else if (number === 2) many.push(field.scalar === "SchemaOrStrings" ? reader.string() : schema());
    else return false;
    return true;
  });
  if (many.length > 0) return many;
  return one ?? (field.scalar === "SchemaOrBool" ? false : undefined);
}
