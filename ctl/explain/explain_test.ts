import { equal, ok, throws } from "node:assert/strict";
import { renderExplanation } from "./render.ts";
import { fieldAt, type OpenApi, schemaOf } from "./schema.ts";

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const name = { group: "apps", version: "v1", kind: "Web" };
const document: OpenApi = {
  components: {
    schemas: {
      "io.k8s.Web": {
        type: "object",
        description: "A web.",
        properties: { spec: { allOf: [ref("io.k8s.WebSpec")], default: {} }, kind: { type: "string" } },
        required: ["spec"],
        "x-kubernetes-group-version-kind": [name],
      },
      "io.k8s.WebSpec": {
        type: "object",
        properties: {
          mode: { type: "string", enum: ["Fast", "Slow"], default: "Fast" },
          threads: { type: "array", items: { allOf: [ref("io.k8s.Thread")] } },
          labels: { type: "object", additionalProperties: { type: "string" } },
          byName: { type: "object", additionalProperties: ref("io.k8s.Thread") },
          port: { "x-kubernetes-int-or-string": true },
        },
      },
      "io.k8s.Thread": { type: "object", properties: { size: { type: "integer" }, next: ref("io.k8s.Thread") } },
    },
  },
};
const explain = (path: string[], recursive = false) => {
  const field = fieldAt(document, schemaOf(document, name), path);
  return renderExplanation(document, name, path, field, { recursive });
};

Deno.test("a kind is explained with its fields, those that must be there marked", () => {
  equal(
    explain([]),
    [
      "GROUP:      apps",
      "KIND:       Web",
      "VERSION:    v1",
      "",
      "DESCRIPTION:",
      "    A web.",
      "",
      "FIELDS:",
      "  kind  <string>",
      "  spec  <WebSpec> -required-",
    ].join("\n"),
  );
});

Deno.test("types of lists, maps and references have their names", () => {
  const text = explain(["spec"]);
  for (
    const line of [
      "threads  <[]Thread>",
      "labels   <map[string]string>",
      "byName   <map[string]Thread>",
      "port     <IntOrString>",
    ]
  ) {
    ok(text.includes(line), text);
  }
  ok(text.includes("enum: Fast, Slow"));
});

Deno.test("a path goes on through lists and maps; a single field tells its values and default", () => {
  ok(explain(["spec", "threads", "size"]).includes("FIELD: size <integer>"));
  ok(explain(["spec", "byName"]).includes("FIELDS:\n  next"));
  ok(explain(["spec", "mode"]).includes('FIELD: mode <string> (default "Fast")\nENUM:\n    Fast\n    Slow'));
});

Deno.test("a recursive explanation ends where a kind holds itself", () => {
  equal(explain(["spec", "threads"], true).split("next").length, 3);
});

Deno.test("a field that is not there is named, with what was meant", () => {
  throws(() => explain(["spec", "threds"]), /The field "spec.threds" does not exist: did you mean "threads"\?/);
  throws(() => explain(["kind", "x"]), /"kind.x" does not exist: a string has no fields/);
  throws(() => explain(["constructor"]), /"constructor" does not exist/);
  throws(() => schemaOf(document, { ...name, kind: "Other" }), /apps\/v1\/Other/);
});
