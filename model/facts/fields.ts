import type { FieldView } from "../facts_interface.ts";
import type { TypeFacts } from "./types.ts";

/** How a value that is no message of the table is encoded. */
export type ScalarName =
  | "string"
  | "bool"
  | "int32"
  | "int64"
  | "double"
  /** Base64 in JSON. */
  | "bytes"
  /** A list of strings that protobuf wraps in a message of its own. */
  | "strings"
  | "Quantity"
  /** RFC 3339 in whole seconds. */
  | "Time"
  /** RFC 3339 in microseconds. */
  | "MicroTime"
  /** `1h30m` in JSON, nanoseconds in protobuf. */
  | "Duration"
  | "IntOrString"
  /** Any object. */
  | "RawExtension"
  /** Any JSON value. */
  | "JSON"
  | "FieldsV1"
  | "SchemaOrArray"
  | "SchemaOrBool"
  | "SchemaOrStrings";

export type Shape = "one" | "list" | "map";

/** What is known of a field; how to merge it as {@link FieldView} says. */
export interface FieldDefinition {
  name: string;
  /** In protobuf; 0 when the type has no protobuf form. */
  number: number;
  shape: Shape;
  /** Set unless the value is a message. */
  scalar?: ScalarName | undefined;
  /** The message; asked for on first use, as types refer to each other in circles. */
  message?: (() => TypeFacts) | undefined;
  /** JSON shows the message's fields in the place of the message: `Volume.volumeSource`. */
  inline?: boolean;
  /** Absent and zero differ. */
  pointer?: boolean;
  /** JSON shows the zero value too: `ready: false`; for a struct, `status: {}`. */
  always?: boolean;
  required?: boolean;
  list?: "atomic" | "set" | "map" | undefined;
  keys?: readonly string[] | undefined;
  atomicMap?: boolean;
  /** Server-side apply looks into it although its type is atomic. */
  granularMap?: boolean;
  patchStrategy?: readonly string[] | undefined;
  patchMergeKey?: string | undefined;
  enum?: readonly string[] | undefined;
  format?: string | undefined;
  default?: string | number | boolean | undefined;
}

/** A field of a type of the API. */
export class FieldFacts implements FieldView {
  readonly name: string;
  readonly number: number;
  readonly shape: Shape;
  readonly scalar: ScalarName | undefined;
  readonly inline: boolean;
  readonly pointer: boolean;
  readonly always: boolean;
  readonly required: boolean;
  declare readonly list?: "atomic" | "set" | "map";
  declare readonly keys?: readonly string[];
  readonly atomicMap: boolean;
  readonly granularMap: boolean;
  declare readonly patchStrategy?: readonly string[];
  declare readonly patchMergeKey?: string;
  readonly enum: readonly string[] | undefined;
  readonly format: string | undefined;
  readonly default: string | number | boolean | undefined;
  readonly #message: (() => TypeFacts) | undefined;
  #type: TypeFacts | undefined;
  #keyDefaults: Readonly<Record<string, string | number | boolean>> | undefined;

  constructor(definition: FieldDefinition) {
    this.name = definition.name;
    this.number = definition.number;
    this.shape = definition.shape;
    this.scalar = definition.scalar;
    this.inline = definition.inline ?? false;
    this.pointer = definition.pointer ?? false;
    this.always = definition.always ?? false;
    this.required = definition.required ?? false;
    if (definition.list !== undefined) this.list = definition.list;
    if (definition.keys !== undefined) this.keys = definition.keys;
    this.atomicMap = definition.atomicMap ?? false;
    this.granularMap = definition.granularMap ?? false;
    if (definition.patchStrategy !== undefined) this.patchStrategy = definition.patchStrategy;
    if (definition.patchMergeKey !== undefined) this.patchMergeKey = definition.patchMergeKey;
    this.enum = definition.enum;
    this.format = definition.format;
    this.default = definition.default;
    this.#message = definition.message;
  }

  /** The message that the value, each item or each map value is; undefined for scalars. */
  get type(): TypeFacts | undefined {
    return this.#type ??= this.#message?.();
  }

  /** Any JSON below, without facts. */
  get opaque(): boolean {
    return this.scalar === "RawExtension" || this.scalar === "JSON" || this.scalar === "FieldsV1" ||
      (this.scalar?.startsWith("SchemaOr") ?? false);
  }

  /** What a list's key is when an item does not say. */
  get keyDefaults(): Readonly<Record<string, string | number | boolean>> {
    return this.#keyDefaults ??= Object.fromEntries(
      (this.keys ?? []).flatMap((key) => {
        const value = this.type?.field(key)?.default;
        return value === undefined ? [] : [[key, value]];
      }),
    );
  }
}
