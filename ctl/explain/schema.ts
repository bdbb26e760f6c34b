/** Fields of a kind, found in an OpenAPI v3 document of the server. Pure. */
import { nearest } from "../nearest.ts";
import { Problem } from "../problem.ts";

export interface Schema {
  $ref?: string;
  allOf?: Schema[];
  type?: string;
  format?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  enum?: unknown[];
  default?: unknown;
  items?: Schema;
  additionalProperties?: Schema | boolean;
  "x-kubernetes-group-version-kind"?: { group: string; version: string; kind: string }[];
  "x-kubernetes-int-or-string"?: boolean;
}

export interface OpenApi {
  components?: { schemas?: Record<string, Schema> };
}

export interface KindName {
  group: string;
  version: string;
  kind: string;
}

/** A field as a person sees it. */
export interface Field {
  /** `string`, `[]Container`, `map[string]string`. */
  typeName: string;
  description: string;
  enum: readonly unknown[];
  /** Not there where an absent value and an empty one are the same. */
  default: unknown;
  /** Of what it holds, of each item, of each value. */
  fields: Record<string, Schema>;
  required: readonly string[];
}

const COMPONENTS = "#/components/schemas/";

/** @throws {Problem} when the document does not have it */
export function schemaOf(document: OpenApi, name: KindName): Schema {
  const found = Object.values(document.components?.schemas ?? {}).find((schema) =>
    schema["x-kubernetes-group-version-kind"]?.some((one) =>
      one.kind === name.kind && one.group === name.group && one.version === name.version
    )
  );
  if (found === undefined) {
    const { group, version, kind } = name;
    throw new Problem(`The server does not tell of the fields of ${[group, version, kind].filter(Boolean).join("/")}.`);
  }
  return found;
}

/** @param path names of fields, each in the one before. @throws {Problem} naming the one that is not there */
export function fieldAt(document: OpenApi, root: Schema, path: readonly string[]): Field {
  let field = fieldOf(document, root);
  path.forEach((name, depth) => {
    const next = Object.hasOwn(field.fields, name) ? field.fields[name] : undefined;
    if (next === undefined) {
      const meant = nearest(name, Object.keys(field.fields));
      const known = Object.keys(field.fields).length > 0;
      throw new Problem(
        `The field "${path.slice(0, depth + 1).join(".")}" does not exist${
          meant !== undefined ? `: did you mean "${meant}"?` : known ? "." : `: a ${field.typeName} has no fields.`
        }`,
      );
    }
    field = fieldOf(document, next);
  });
  return field;
}

export function fieldOf(document: OpenApi, schema: Schema): Field {
  const { target, reference } = resolve(document, schema);
  const inner = innermost(document, target);
  return {
    typeName: typeNameOf(document, target, reference),
    description: schema.description ?? target.description ?? "",
    enum: schema.enum ?? target.enum ?? [],
    default: schema.default ?? target.default,
    fields: inner.properties ?? {},
    required: inner.required ?? [],
  };
}

/** Through references, of which there are never as many in a row. */
const REFERENCES_MAX = 16;

function resolve(document: OpenApi, schema: Schema): { target: Schema; reference: string | undefined } {
  let target = schema;
  let reference: string | undefined;
  for (let count = 0; count < REFERENCES_MAX; count++) {
    const next = target.$ref ?? target.allOf?.[0]?.$ref;
    if (next === undefined) break;
    reference = next.slice(COMPONENTS.length);
    target = document.components?.schemas?.[reference] ?? {};
  }
  return { target, reference };
}

/** What a list of lists of maps holds in the end. */
function innermost(document: OpenApi, schema: Schema): Schema {
  let inner = schema;
  for (let count = 0; count < REFERENCES_MAX; count++) {
    const next = inner.items ??
      (typeof inner.additionalProperties === "object" ? inner.additionalProperties : undefined);
    if (next === undefined) break;
    inner = resolve(document, next).target;
  }
  return inner;
}

/** Of the reference `io.k8s.api.core.v1.Container` the last part. */
function typeNameOf(document: OpenApi, schema: Schema, reference: string | undefined): string {
  const inner = (next: Schema) => {
    const { target, reference } = resolve(document, next);
    return typeNameOf(document, target, reference);
  };
  if (schema.type === "array") return `[]${schema.items === undefined ? "Object" : inner(schema.items)}`;
  if (typeof schema.additionalProperties === "object") return `map[string]${inner(schema.additionalProperties)}`;
  if (reference !== undefined) return reference.slice(reference.lastIndexOf(".") + 1);
  if (schema["x-kubernetes-int-or-string"]) return "IntOrString";
  return schema.type === undefined || schema.type === "object" ? "Object" : schema.type;
}
