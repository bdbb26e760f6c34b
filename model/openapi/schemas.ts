/** OpenAPI v3 schemas of types, from their facts. */
import type { FieldFacts, ScalarName } from "../facts/fields.ts";
import { typeByKey, type TypeFacts } from "../facts/types.ts";
import type { Json, JsonObject } from "../json.ts";

const META = "io.k8s.apimachinery.pkg.apis.meta.v1";
const SCHEMA_OF_SCHEMAS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1";

/** Scalars that have a schema of their own, by its name. */
const NAMED_SCALARS: Partial<Record<ScalarName, { name: string; schema: JsonObject }>> = {
  Quantity: {
    name: "io.k8s.apimachinery.pkg.api.resource.Quantity",
    schema: { oneOf: [{ type: "string" }, { type: "number" }] },
  },
  Time: { name: `${META}.Time`, schema: { format: "date-time", type: "string" } },
  MicroTime: { name: `${META}.MicroTime`, schema: { format: "date-time", type: "string" } },
  Duration: { name: `${META}.Duration`, schema: { type: "string" } },
  FieldsV1: { name: `${META}.FieldsV1`, schema: { type: "object" } },
  IntOrString: {
    name: "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
    schema: { format: "int-or-string", oneOf: [{ type: "integer" }, { type: "string" }] },
  },
  RawExtension: { name: "io.k8s.apimachinery.pkg.runtime.RawExtension", schema: { type: "object" } },
  JSON: { name: `${SCHEMA_OF_SCHEMAS}.JSON`, schema: {} },
  SchemaOrArray: { name: `${SCHEMA_OF_SCHEMAS}.JSONSchemaPropsOrArray`, schema: {} },
  SchemaOrBool: { name: `${SCHEMA_OF_SCHEMAS}.JSONSchemaPropsOrBool`, schema: {} },
  SchemaOrStrings: { name: `${SCHEMA_OF_SCHEMAS}.JSONSchemaPropsOrStringArray`, schema: {} },
};

const PLAIN_SCALARS: Partial<Record<ScalarName, JsonObject>> = {
  string: { type: "string" },
  bool: { type: "boolean" },
  int32: { format: "int32", type: "integer" },
  int64: { format: "int64", type: "integer" },
  double: { format: "double", type: "number" },
  bytes: { format: "byte", type: "string" },
  strings: { items: { default: "", type: "string" }, type: "array" },
};

const ZEROS: Partial<Record<ScalarName, Json>> = { string: "", bool: false, int32: 0, int64: 0, double: 0 };

/** The schemas that a document needs: those asked for and all that they refer to. */
export class SchemaSet {
  /** Schemas by name, in the order in which they were first needed. */
  readonly schemas: Record<string, JsonObject> = {};
  readonly #kinds = new Map<string, JsonObject[]>();

  /** Adds a type and what it refers to; gives the reference to it. */
  add(type: TypeFacts): JsonObject {
    const name = type.schemaName;
    if (this.schemas[name] === undefined) {
      this.schemas[name] = {};
      this.schemas[name] = this.#schemaOf(type);
    }
    return reference(name);
  }

  /** Adds a type that stands at the top of documents, as a kind of a group and version. */
  addKind(type: TypeFacts, kind: JsonObject): JsonObject {
    const ref = this.add(type);
    const kinds = this.#kinds.get(type.schemaName) ?? [];
    if (!kinds.some((known) => known["group"] === kind["group"] && known["version"] === kind["version"])) {
      kinds.push(kind);
    }
    this.#kinds.set(type.schemaName, kinds);
    this.schemas[type.schemaName]!["x-kubernetes-group-version-kind"] = kinds;
    return ref;
  }

  /** Adds a schema that was made elsewhere. */
  addRaw(name: string, schema: JsonObject): JsonObject {
    this.schemas[name] = schema;
    return reference(name);
  }

  #schemaOf(type: TypeFacts): JsonObject {
    const properties: JsonObject = {};
    if (type.isKind) properties["apiVersion"] = properties["kind"] = { type: "string" };
    for (const field of type.names()) properties[field.name] = this.#property(field);
    const required = [...type.names()].filter((field) => field.required).map((field) => field.name);
    return {
      ...(Object.keys(properties).length > 0 && { properties }),
      ...(required.length > 0 && { required }),
      type: "object",
      ...(type.atomic && { "x-kubernetes-map-type": "atomic" }),
    };
  }

  #property(field: FieldFacts): JsonObject {
    const marks: JsonObject = {
      ...(field.list && { "x-kubernetes-list-type": field.list }),
      ...(field.keys && { "x-kubernetes-list-map-keys": [...field.keys] }),
      ...(field.atomicMap && { "x-kubernetes-map-type": "atomic" }),
      ...(field.granularMap && { "x-kubernetes-map-type": "granular" }),
      ...(field.patchMergeKey && { "x-kubernetes-patch-merge-key": field.patchMergeKey }),
      ...(field.patchStrategy && { "x-kubernetes-patch-strategy": field.patchStrategy.join(",") }),
    };
    if (field.shape === "list") return { items: this.#element(field), type: "array", ...marks };
    if (field.shape === "map") {
      return { additionalProperties: this.#element(field), type: "object", ...marks };
    }
    // A scalar without pointer that is always written has its zero as default, and so has a struct.
    const zero = !field.pointer && (field.always || field.type !== undefined) ? zeroOf(field) : undefined;
    return { ...this.#value(field, field.default ?? zero), ...(field.format && { format: field.format }), ...marks };
  }

  /** An item of a list or a value of a map. */
  #element(field: FieldFacts): JsonObject {
    const isBare = field.type === undefined && PLAIN_SCALARS[field.scalar!] === undefined;
    return isBare ? this.#reference(field) : this.#value(field, zeroOf(field));
  }

  #value(field: FieldFacts, fallback: Json | undefined): JsonObject {
    const plain = field.scalar && PLAIN_SCALARS[field.scalar];
    const values = field.enum && { enum: [...field.enum].sort() };
    if (plain !== undefined) return { ...(fallback !== undefined && { default: fallback }), ...values, ...plain };
    const ref = this.#reference(field);
    return fallback === undefined ? { allOf: [ref] } : { allOf: [ref], default: fallback };
  }

  #reference(field: FieldFacts): JsonObject {
    if (field.type !== undefined) return this.add(field.type);
    const { name, schema } = NAMED_SCALARS[field.scalar!]!;
    this.schemas[name] ??= schema;
    if (field.scalar!.startsWith("SchemaOr")) this.add(typeByKey("apiextensions.k8s.io/v1.JSONSchemaProps")!);
    return reference(name);
  }
}

function zeroOf(field: FieldFacts): Json | undefined {
  return field.type !== undefined ? {} : ZEROS[field.scalar!];
}

function reference(name: string): JsonObject {
  return { $ref: `#/components/schemas/${name}` };
}
