/** Messages to protobuf, by the facts of their types. */
import type { FieldFacts } from "../facts/fields.ts";
import { typeByKey, type TypeFacts } from "../facts/types.ts";
import { parseDuration, splitTime } from "./scalars.ts";
import { BYTES, FIXED64, VARINT, type WireWriter } from "./wire.ts";

type Members = Record<string, unknown>;

const encoder = new TextEncoder();

/** Writes the fields of a message, last first. Members that the type does not have are left out. */
export function writeMessage(writer: WireWriter, object: Members, type: TypeFacts): void {
  const fields = type.fields;
  for (let i = fields.length - 1; i >= 0; i--) {
    const field = fields[i]!;
    if (field.inline) writePart(writer, field.number, () => writeMessage(writer, object, field.type!));
    else writeField(writer, field, object[field.name]);
  }
}

function writeField(writer: WireWriter, field: FieldFacts, value: unknown): void {
  if (value === undefined || value === null || field.number === 0) return;
  if (field.shape === "list") {
    const items = value as unknown[];
    for (let i = items.length - 1; i >= 0; i--) writeValue(writer, field, field.number, items[i]);
  } else if (field.shape === "map") {
    for (const key in value as Members) {
      writePart(writer, field.number, () => {
        writeValue(writer, field, 2, (value as Members)[key]);
        writer.string(key);
        writer.tag(1, BYTES);
      });
    }
  } else writeValue(writer, field, field.number, value);
}

/** Writes a part with its length and head. */
function writePart(writer: WireWriter, number: number, write: () => void): void {
  const before = writer.written;
  write();
  writer.uint(writer.written - before);
  writer.tag(number, BYTES);
}

function writeValue(writer: WireWriter, field: FieldFacts, number: number, value: unknown): void {
  switch (field.scalar) {
    case "string":
      writer.string(value as string);
      return writer.tag(number, BYTES);
    case undefined: {
      const before = writer.written;
      writeMessage(writer, value as Members, field.type!);
      writer.uint(writer.written - before);
      return writer.tag(number, BYTES);
    }
    case "int32":
    case "int64":
      writer.int(value as number);
      return writer.tag(number, VARINT);
    case "bool":
      writer.uint(value ? 1 : 0);
      return writer.tag(number, VARINT);
    case "double":
      writer.double(value as number);
      return writer.tag(number, FIXED64);
    case "bytes":
      writer.bytes(Uint8Array.fromBase64(value as string));
      return writer.tag(number, BYTES);
    default:
      return writePart(writer, number, () => writeSpecial(writer, field, value));
  }
}

/** The fields of a scalar that protobuf knows as a message; {@link readValue} is its other half. */
function writeSpecial(writer: WireWriter, field: FieldFacts, value: unknown): void {
  switch (field.scalar) {
    case "Quantity":
      writer.string(String(value));
      return writer.tag(1, BYTES);
    case "IntOrString":
      return writeIntOrString(writer, value as number | string);
    case "Time":
    case "MicroTime": {
      // "No time", in a list or map, is an empty message.
      if (value === null) return;
      const { seconds, nanos } = splitTime(value as string);
      writer.int(field.scalar === "Time" ? 0 : Math.floor(nanos / 1000) * 1000);
      writer.tag(2, VARINT);
      writer.int(seconds);
      return writer.tag(1, VARINT);
    }
    case "Duration":
      writer.int(parseDuration(value as string) ?? 0);
      return writer.tag(1, VARINT);
    case "strings": {
      const items = value as string[];
      for (let i = items.length - 1; i >= 0; i--) {
        writer.string(items[i]!);
        writer.tag(1, BYTES);
      }
      return;
    }
    case "RawExtension":
    case "JSON":
    case "FieldsV1":
      if (value === undefined) return;
      writer.bytes(encoder.encode(JSON.stringify(value)));
      return writer.tag(1, BYTES);
    default:
      return writeSchemaOr(writer, field, value);
  }
}

function writeIntOrString(writer: WireWriter, value: number | string): void {
  const isText = typeof value === "string";
  writer.string(isText ? value : "");
  writer.tag(3, BYTES);
  writer.int(isText ? 0 : value);
  writer.tag(2, VARINT);
  writer.uint(isText ? 1 : 0);
  writer.tag(1, VARINT);
}

function writeSchemaOr(writer: WireWriter, field: FieldFacts, value: unknown): void {
  const type = typeByKey("apiextensions.k8s.io/v1.JSONSchemaProps")!;
  const schema = (number: number, one: unknown) =>
    writePart(writer, number, () => writeMessage(writer, one as Members, type));
  if (field.scalar === "SchemaOrBool") {
    // A schema allows what it describes.
    if (typeof value === "object") schema(2, value);
    writer.uint(value === false ? 0 : 1);
    return writer.tag(1, VARINT);
  }
  if (!Array.isArray(value)) return schema(1, value);
  for (let i = value.length - 1; i >= 0; i--) {
    if (typeof value[i] !== "string") schema(2, value[i]);
    else {
      writer.string(value[i]);
      writer.tag(2, BYTES);
    }
  }
}
