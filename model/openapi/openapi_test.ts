import { deepEqual as assertEquals, ok as assert } from "node:assert/strict";
import { allResources, resourceFacts } from "../facts/resources.ts";
import { isJsonObject, type Json, type JsonObject } from "../json.ts";
import { BYTES, WireReader } from "../codecs/wire.ts";
import { OpenApi, type OpenApiDocument, type ServedResource } from "./mod.ts";

const everything = allResources().flatMap((facts) => facts.versions.map(({ version }) => ({ facts, version })));
const pods: ServedResource = { facts: resourceFacts("", "pods")!, version: "v1" };

const parse = (document: OpenApiDocument | undefined) => JSON.parse(new TextDecoder().decode(document!.bytes));

function* references(value: Json): Generator<string> {
  if (Array.isArray(value)) { for (const item of value) yield* references(item); }
  else if (isJsonObject(value)) {
    for (const [key, part] of Object.entries(value)) {
      if (key === "$ref" && typeof part === "string") yield part;
      else yield* references(part);
    }
  }
}

function lookUp(document: JsonObject, reference: string): Json | undefined {
  return reference.slice(2).split("/").reduce<Json | undefined>(
    (at, name) => isJsonObject(at) ? at[name] : undefined,
    document,
  );
}

Deno.test("every reference of every document leads somewhere", () => {
  const api = new OpenApi(everything);
  const paths = Object.keys(parse(api.index()).paths);
  assert(paths.length > 30);
  for (const document of [...paths.map((path) => parse(api.groupVersion(path))), parse(api.swagger())]) {
    for (const reference of references(document)) assert(lookUp(document, reference) !== undefined, reference);
  }
});

Deno.test("kubectl finds that a PATCH takes fieldValidation, and the kind of a path", () => {
  const { paths } = parse(new OpenApi(everything).groupVersion("apis/apps/v1"));
  const item = paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"];
  assert(item.patch.parameters.some((p: JsonObject) => p["name"] === "fieldValidation" && p["in"] === "query"));
  assert("application/strategic-merge-patch+json" in item.patch.requestBody.content);
  assertEquals(item.get["x-kubernetes-group-version-kind"], { group: "apps", kind: "Deployment", version: "v1" });
  const scale = paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"];
  assertEquals(scale.put["x-kubernetes-group-version-kind"], { group: "autoscaling", kind: "Scale", version: "v1" });
});

Deno.test("a schema says how its lists merge and what is required", () => {
  const { schemas } = parse(new OpenApi([pods]).groupVersion("api/v1")).components;
  const { properties, required } = schemas["io.k8s.api.core.v1.Container"];
  assertEquals(required, ["name"]);
  assertEquals(properties.ports, {
    items: { allOf: [{ $ref: "#/components/schemas/io.k8s.api.core.v1.ContainerPort" }], default: {} },
    type: "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
    "x-kubernetes-patch-merge-key": "containerPort",
    "x-kubernetes-patch-strategy": "merge",
  });
});

Deno.test("only what is served is published", () => {
  const api = new OpenApi([pods]);
  assertEquals(Object.keys(parse(api.index()).paths), ["api/v1"]);
  assertEquals(api.groupVersion("apis/apps/v1"), undefined);
  const { paths } = parse(api.groupVersion("api/v1"));
  assert("/api/v1/namespaces/{namespace}/pods/{name}/log" in paths);
  assert(!("/api/v1/namespaces/{namespace}/secrets" in paths));
});

Deno.test("a document's hash changes with what is served and with nothing else", () => {
  const hash = (served: ServedResource[]) => new OpenApi(served).groupVersion("api/v1")!.hash;
  assertEquals(hash([pods]), hash([pods]));
  assert(hash([pods]) !== hash([pods, { facts: resourceFacts("", "services")!, version: "v1" }]));
  const index = parse(new OpenApi([pods]).index());
  assertEquals(index.paths["api/v1"].serverRelativeURL, `/openapi/v3/api/v1?hash=${hash([pods])}`);
});

Deno.test("a custom resource's schema is published as it was declared", () => {
  const schema = {
    type: "object",
    properties: { spec: { type: "object", nullable: true, oneOf: [{ type: "object" }] } },
  };
  const facts = {
    group: "example.com",
    resource: "widgets",
    kind: "Widget",
    singular: "widget",
    namespaced: true,
    versions: [{ version: "v1", verbs: ["get", "list", "create", "patch"] as const }],
  };
  const api = new OpenApi([{ facts, version: "v1", schema }]);
  const { schemas } = parse(api.groupVersion("apis/example.com/v1")).components;
  const kind = [{ group: "example.com", kind: "Widget", version: "v1" }];
  assertEquals(schemas["com.example.v1.Widget"], { ...schema, "x-kubernetes-group-version-kind": kind });
  assert("com.example.v1.WidgetList" in schemas);
});

Deno.test("the older document has the same definitions as JSON and as protobuf", () => {
  const api = new OpenApi(everything);
  const { bytes } = api.swaggerProtobuf();
  const reader = new WireReader(bytes);
  const names: string[] = [];
  while (reader.position < bytes.length) {
    const tag = reader.uint();
    if (tag !== 9 * 8 + BYTES) reader.skip(tag & 7);
    else {
      for (const end = reader.end(); reader.position < end;) {
        reader.uint();
        const entryEnd = reader.end();
        reader.uint();
        names.push(reader.string());
        reader.position = entryEnd;
      }
    }
  }
  assertEquals(names, Object.keys(parse(api.swagger()).definitions));
});
