/** Objects of any type, made from its facts, for property tests. */
import type { GeneratorValue } from "fast-check";
import fc from "fast-check";
import type { FieldFacts } from "../facts/fields.ts";
import { typeByKey, type TypeFacts } from "../facts/types.ts";
import { setOwn } from "../json.ts";

/** Messages nest no deeper than this, so that schemas, which contain schemas, come to an end. */
const DEPTH_MAX = 5;

const TEXTS = ["a", "größer", 'with "quotes" and\nlines', "\u{1f600}", "x".repeat(50), "日本語".repeat(20)];
const JSON_VALUES = [{ a: [1, null, { b: "c" }] }, { d: 2.5 }, { x: true }];
const SPECIAL: Record<string, readonly unknown[]> = {
  bytes: ["AA==", "/+8x", "aGVsbG8gd29ybGQ="],
  strings: [["a"], ["b", ""]],
  Quantity: ["1", "100m", "1536Mi", "0", "1e3", "4k"],
  Time: ["1970-01-01T00:00:00Z", "2026-02-28T23:59:59Z", "1906-01-01T00:00:01Z", "9999-12-31T23:59:59Z"],
  MicroTime: ["2026-02-28T23:59:59.000001Z", "1969-12-31T23:59:59.999999Z"],
  Duration: ["1h0m0s", "1.5s", "20ms", "-2m3s"],
  IntOrString: [80, 1, -1, "http", "25%"],
  RawExtension: JSON_VALUES,
  JSON: JSON_VALUES,
  FieldsV1: [{ "f:metadata": { "f:name": {} } }],
};
/** The zero of a scalar; only where it differs from absence. */
const ZEROS: Record<string, unknown> = { string: "", bool: false, int32: 0, int64: 0, double: 0 };

/** An object of the type in the form in which objects are stored. */
export function anyObject(type: TypeFacts): fc.Arbitrary<Record<string, unknown>> {
  return fc.gen().map((generate) => {
    const object = message(generate, type, 0);
    if (!type.isKind) return object;
    return { apiVersion: type.key.slice(0, type.key.lastIndexOf(".")), kind: type.name, ...object };
  });
}

function message(generate: GeneratorValue, type: TypeFacts, depth: number): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  const shown = new Set(type.shown);
  for (const field of type.names()) {
    if (field.number === 0) continue;
    const isThere = shown.has(field) || depth < DEPTH_MAX && generate(fc.nat, 3) === 0;
    if (isThere) object[field.name] = fieldValue(generate, field, depth);
  }
  return object;
}

function fieldValue(generate: GeneratorValue, field: FieldFacts, depth: number): unknown {
  if (field.shape === "one") return value(generate, field, depth, field.pointer || field.always);
  const count = generate(fc.integer, { min: 1, max: 3 });
  if (field.shape === "list") return Array.from({ length: count }, () => value(generate, field, depth, true));
  const map: Record<string, unknown> = {};
  for (let i = 0; i < count; i++) {
    const key = generate(fc.constantFrom, "", "a", "app.kubernetes.io/name", "größer", "__proto__");
    setOwn(map, key, value(generate, field, depth, true));
  }
  return map;
}

function value(generate: GeneratorValue, field: FieldFacts, depth: number, zeroAllowed: boolean): unknown {
  if (field.type !== undefined) return message(generate, field.type, depth + 1);
  const scalar = field.scalar!;
  if (zeroAllowed && scalar in ZEROS && generate(fc.boolean)) return ZEROS[scalar];
  switch (scalar) {
    case "string":
      return generate(fc.constantFrom, ...TEXTS);
    case "bool":
      return true;
    case "int32":
      return generate(fc.constantFrom, 1, -1, 127, 128, 2 ** 31 - 1, -(2 ** 31));
    case "int64":
      return generate(fc.constantFrom, 1, -1, 2 ** 40, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER);
    case "double":
      return generate(fc.constantFrom, 0.5, -1e100, 3);
    case "SchemaOrArray":
    case "SchemaOrBool":
    case "SchemaOrStrings":
      return schemaOr(generate, scalar, depth);
    default:
      return generate(fc.constantFrom, ...SPECIAL[scalar]!);
  }
}

function schemaOr(generate: GeneratorValue, scalar: string, depth: number): unknown {
  const schema = () => message(generate, typeByKey("apiextensions.k8s.io/v1.JSONSchemaProps")!, depth + 1);
  if (generate(fc.boolean)) return schema();
  if (scalar === "SchemaOrBool") return generate(fc.boolean);
  return scalar === "SchemaOrStrings" ? ["a", "b"] : [schema(), schema()];
}
