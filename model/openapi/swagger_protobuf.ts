/**
 * OpenAPI v2 as protobuf, the only form in which client-go asks for it (`application/com.github.proto-openapi.spec.v2`;
 * the messages are those of gnostic's OpenAPIv2.proto).
 */
import type { Json, JsonObject } from "../json.ts";
import { BYTES, VARINT, WireWriter } from "../codecs/wire.ts";

/** How a member is written: its number, and what its value is. */
type Member = readonly [number: number, kind: Kind];
type Kind = "string" | "bool" | "strings" | "int" | "any" | "anys" | ((writer: WireWriter, value: Json) => void);

interface Message {
  members: Record<string, Member>;
  /** The number of the list of members that begin with `x-`. */
  extensions?: number;
}

/** A message of its own, written by its table. */
const message = (table: () => Message) => (writer: WireWriter, value: Json) =>
  writeMessage(writer, value as JsonObject, table());
/** A message that holds another in one field. */
const wrapped =
  (number: number, inner: (writer: WireWriter, value: Json) => void) => (writer: WireWriter, value: Json) =>
    writePart(writer, number, () => inner(writer, value));
/** A map as protobuf has it here: a list of names with values. */
const named =
  (number: number, inner: (writer: WireWriter, value: Json) => void) => (writer: WireWriter, value: Json) => {
    for (const [name, item] of Object.entries(value as JsonObject).reverse()) {
      writePart(writer, number, () => {
        writePart(writer, 2, () => inner(writer, item));
        writeString(writer, 1, name);
      });
    }
  };

const schema = message(() => SCHEMA);
const strings = (writer: WireWriter, value: Json) => {
  for (const text of [value].flat().reverse()) writeString(writer, 1, text as string);
};

const SCHEMA: Message = {
  members: {
    $ref: [1, "string"],
    format: [2, "string"],
    title: [3, "string"],
    description: [4, "string"],
    default: [5, "any"],
    maxLength: [11, "int"],
    minLength: [12, "int"],
    pattern: [13, "string"],
    maxItems: [14, "int"],
    minItems: [15, "int"],
    uniqueItems: [16, "bool"],
    maxProperties: [17, "int"],
    minProperties: [18, "int"],
    required: [19, "strings"],
    enum: [20, "anys"],
    additionalProperties: [21, (writer, value) => {
      if (typeof value === "boolean") writeBool(writer, 2, value);
      else writePart(writer, 1, () => schema(writer, value));
    }],
    type: [22, strings],
    items: [23, wrapped(1, schema)],
    allOf: [24, (writer, value) => schema(writer, value)],
    properties: [25, named(1, schema)],
  },
  extensions: 31,
};

const PARAMETER_COMMON = { required: "bool", in: "string", description: "string", name: "string" } as const;
/** Parameters in the query and in the path have the same members, those in the query one more in the middle. */
const parameterTable = (allowEmptyValue: boolean): Message => {
  const shift = allowEmptyValue ? 1 : 0;
  const common = Object.entries(PARAMETER_COMMON).map(([name, kind], i) => [name, [i + 1, kind]]);
  return {
    members: {
      ...Object.fromEntries(common),
      type: [5 + shift, "string"],
      format: [6 + shift, "string"],
      uniqueItems: [19 + shift, "bool"],
    },
    extensions: 22 + shift,
  };
};
const QUERY_PARAMETER = parameterTable(true);
const PATH_PARAMETER = parameterTable(false);
const BODY_PARAMETER: Message = {
  members: {
    description: [1, "string"],
    name: [2, "string"],
    in: [3, "string"],
    required: [4, "bool"],
    schema: [5, schema],
  },
  extensions: 6,
};

/** ParametersItem { parameter { body | non-body { query | path } } }. */
function parameter(writer: WireWriter, value: Json): void {
  const place = (value as JsonObject)["in"];
  writePart(writer, 1, () => {
    if (place === "body") return writePart(writer, 1, () => writeMessage(writer, value as JsonObject, BODY_PARAMETER));
    const [number, table] = place === "query" ? [3, QUERY_PARAMETER] as const : [4, PATH_PARAMETER] as const;
    writePart(writer, 2, () => writePart(writer, number, () => writeMessage(writer, value as JsonObject, table)));
  });
}

const RESPONSE: Message = {
  members: { description: [1, "string"], schema: [2, wrapped(1, schema)] },
  extensions: 5,
};
const OPERATION: Message = {
  members: {
    tags: [1, "strings"],
    description: [3, "string"],
    operationId: [5, "string"],
    produces: [6, "strings"],
    consumes: [7, "strings"],
    parameters: [8, parameter],
    responses: [9, named(1, wrapped(1, message(() => RESPONSE)))],
  },
  extensions: 13,
};
const operation = message(() => OPERATION);
const PATH_ITEM: Message = {
  members: {
    get: [2, operation],
    put: [3, operation],
    post: [4, operation],
    delete: [5, operation],
    patch: [8, operation],
    parameters: [9, parameter],
  },
  extensions: 10,
};
const SECURITY: Message = { members: { type: [1, "string"], name: [2, "string"], in: [3, "string"] } };
const DOCUMENT: Message = {
  members: {
    swagger: [1, "string"],
    info: [2, message(() => ({ members: { title: [1, "string"], version: [2, "string"] } }))],
    paths: [8, named(2, message(() => PATH_ITEM))],
    definitions: [9, named(1, schema)],
    security: [12, named(1, strings)],
    securityDefinitions: [13, named(1, wrapped(2, message(() => SECURITY)))],
  },
};

/** Members whose value is a list of messages; any other list is written by its own kind. */
const REPEATED = new Set(["allOf", "parameters", "security"]);

/** @param document as `swaggerOf` makes it */
export function encodeSwagger(document: JsonObject): Uint8Array<ArrayBuffer> {
  const writer = new WireWriter();
  writeMessage(writer, document, DOCUMENT);
  return writer.finish();
}

function writeMessage(writer: WireWriter, object: JsonObject, { members, extensions }: Message): void {
  for (const [name, value] of Object.entries(object).reverse()) {
    const member = members[name];
    if (member !== undefined) writeMember(writer, name, member, value);
    else if (extensions !== undefined && name.startsWith("x-")) {
      writePart(writer, extensions, () => {
        writePart(writer, 2, () => writeAny(writer, value));
        writeString(writer, 1, name);
      });
    }
  }
}

function writeMember(writer: WireWriter, name: string, [number, kind]: Member, value: Json): void {
  if (typeof kind === "function") {
    const items = REPEATED.has(name) ? [...value as Json[]].reverse() : [value];
    for (const item of items) writePart(writer, number, () => kind(writer, item));
    return;
  }
  switch (kind) {
    case "string":
      return writeString(writer, number, value as string);
    case "bool":
      return writeBool(writer, number, value as boolean);
    case "int":
      writer.int(value as number);
      return writer.tag(number, VARINT);
    case "strings":
      for (const text of [...value as string[]].reverse()) writeString(writer, number, text);
      return;
    case "any":
      return writePart(writer, number, () => writeAny(writer, value));
    case "anys":
      for (const item of [...value as Json[]].reverse()) writePart(writer, number, () => writeAny(writer, item));
  }
}

/** Any JSON is carried as YAML, which JSON is. */
function writeAny(writer: WireWriter, value: Json): void {
  writeString(writer, 2, JSON.stringify(value));
}

function writePart(writer: WireWriter, number: number, write: () => void): void {
  const before = writer.written;
  write();
  writer.uint(writer.written - before);
  writer.tag(number, BYTES);
}

function writeString(writer: WireWriter, number: number, text: string): void {
  writer.string(text);
  writer.tag(number, BYTES);
}

function writeBool(writer: WireWriter, number: number, value: boolean): void {
  writer.uint(value ? 1 : 0);
  writer.tag(number, VARINT);
}
