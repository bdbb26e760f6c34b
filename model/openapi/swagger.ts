/** OpenAPI v2 of everything, from the v3 documents: older clients and the generators know only that. */
import { KUBERNETES_VERSION } from "../facts/resources.ts";
import { isJsonObject, type Json, type JsonObject } from "../json.ts";

const V3_REFERENCE = "#/components/schemas/";
const METHODS = ["get", "put", "post", "delete", "patch"];
/** What v2 knows of a schema; the rest of a custom resource's is left out. */
const SCHEMA_KEYS = new Set([
  ..."$ref format title description default multipleOf maximum exclusiveMaximum minimum exclusiveMinimum".split(" "),
  ..."maxLength minLength pattern maxItems minItems uniqueItems maxProperties minProperties required enum".split(" "),
  ..."additionalProperties type items allOf properties externalDocs example".split(" "),
]);

/** One document of all groups and versions. */
export function swaggerOf(documents: readonly JsonObject[]): JsonObject {
  const paths: JsonObject = {};
  const definitions: JsonObject = {};
  for (const document of documents) {
    for (const [path, item] of Object.entries(document["paths"] as JsonObject)) {
      paths[path] = pathItem(item as JsonObject);
    }
    const { schemas } = document["components"] as { schemas: JsonObject };
    for (const [name, schema] of Object.entries(schemas)) {
      definitions[name] = mergeKinds(definitions[name], schemaV2(schema));
    }
  }
  return {
    swagger: "2.0",
    info: { title: "Kubernetes", version: `v${KUBERNETES_VERSION}` },
    paths,
    definitions,
    securityDefinitions: { BearerToken: { in: "header", name: "authorization", type: "apiKey" } },
    security: [{ BearerToken: [] }],
  };
}

/** A schema that several documents have is of all their groups and versions. */
function mergeKinds(known: Json | undefined, schema: JsonObject): JsonObject {
  const key = "x-kubernetes-group-version-kind";
  if (!isJsonObject(known) || !Array.isArray(known[key])) return schema;
  const kinds = [...known[key], ...(schema[key] as Json[] | undefined ?? [])];
  const distinct = new Map(kinds.map((kind) => [JSON.stringify(kind), kind]));
  return { ...schema, [key]: [...distinct.values()] };
}

function pathItem(item: JsonObject): JsonObject {
  const result: JsonObject = {};
  for (const method of METHODS) {
    if (isJsonObject(item[method])) result[method] = operation(item[method]);
  }
  return { ...result, parameters: (item["parameters"] as JsonObject[]).map(parameter) };
}

function operation({ requestBody, responses, parameters, ...rest }: JsonObject): JsonObject {
  const replies = Object.entries(responses as JsonObject).map(([code, reply]) => {
    const { description, content } = reply as { description: string; content: JsonObject };
    return [code, { description, schema: schemaV2(contentSchema(content)) }];
  });
  const body = requestBody as { content: JsonObject; required?: boolean } | undefined;
  const listed = (parameters as JsonObject[] | undefined ?? []).map(parameter);
  if (body !== undefined) {
    const { content, required = false } = body;
    listed.unshift({ in: "body", name: "body", required, schema: schemaV2(contentSchema(content)) });
  }
  const first = Object.values(responses as JsonObject)[0] as { content: JsonObject };
  return {
    ...rest,
    ...(body && { consumes: Object.keys(body.content) }),
    produces: Object.keys(first.content),
    ...(listed.length > 0 && { parameters: listed }),
    responses: Object.fromEntries(replies),
  };
}

function contentSchema(content: JsonObject): Json {
  return (Object.values(content)[0] as { schema: Json }).schema;
}

function parameter({ schema, ...rest }: JsonObject): JsonObject {
  return { ...rest, ...(schema as JsonObject) };
}

/** A schema in v2's terms. */
function schemaV2(schema: Json): JsonObject {
  if (!isJsonObject(schema)) return {};
  const { allOf } = schema;
  if (Array.isArray(allOf) && allOf.length === 1 && isJsonObject(allOf[0])) {
    // v2 has no place beside a reference but for what describes it.
    const { allOf: _, default: __, ...beside } = schema;
    return schemaV2({ ...beside, ...allOf[0] });
  }
  // Either number or text: v2 has no word for it.
  if (Array.isArray(schema["oneOf"])) return { type: "string", ...(schema["format"] && { format: schema["format"] }) };
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(schema)) {
    if (SCHEMA_KEYS.has(key) || key.startsWith("x-")) result[key] = part(key, value);
  }
  return result;
}

function part(key: string, value: Json): Json {
  if (key === "$ref") return (value as string).replace(V3_REFERENCE, "#/definitions/");
  if (key === "properties") {
    return Object.fromEntries(Object.entries(value as JsonObject).map(([name, schema]) => [name, schemaV2(schema)]));
  }
  if (key === "items" || key === "additionalProperties") return isJsonObject(value) ? schemaV2(value) : value;
  return key === "allOf" && Array.isArray(value) ? value.map(schemaV2) : value;
}
