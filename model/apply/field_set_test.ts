import { deepEqual as assertEquals, ok as assert } from "node:assert/strict";
import fc from "fast-check";
import { typeFacts } from "../facts/mod.ts";
import { FieldSet, fieldSetFromJson, fieldSetToJson, fieldsOf } from "./mod.ts";
import { showPath } from "./field_set.ts";

const POD = typeFacts("", "v1", "Pod")!;

Deno.test("the fields of a pod are those of its maps, of list items by key, of atomic lists as one", () => {
  const pod = {
    metadata: { labels: { app: "a" }, finalizers: ["x/y"] },
    spec: { nodeSelector: { a: "b" }, containers: [{ name: "c", args: ["x"], ports: [{ containerPort: 80 }] }] },
  };
  assertEquals(fieldSetToJson(fieldsOf(pod, POD)), {
    "f:metadata": { "f:finalizers": { 'v:"x/y"': {} }, "f:labels": { "f:app": {} } },
    "f:spec": {
      "f:containers": {
        'k:{"name":"c"}': {
          ".": {},
          "f:args": {},
          "f:name": {},
          "f:ports": { 'k:{"containerPort":80,"protocol":"TCP"}': { ".": {}, "f:containerPort": {} } },
        },
      },
      "f:nodeSelector": {},
    },
  });
});

Deno.test("a path is shown as conflicts show it", () => {
  const path = ["f:spec", "f:containers", 'k:{"name":"c"}', "f:ports", 'k:{"containerPort":80,"protocol":"TCP"}'];
  assertEquals(showPath(path), '.spec.containers[name="c"].ports[containerPort=80,protocol="TCP"]');
  assertEquals(showPath(["f:metadata", "f:finalizers", 'v:"x"']), '.metadata.finalizers[="x"]');
});

Deno.test("keys written in another order name the same item", () => {
  const foreign = fieldSetFromJson({ "f:ports": { 'k:{"protocol":"TCP","containerPort":80}': { ".": {} } } });
  assert(foreign.has(["f:ports", 'k:{"containerPort":80,"protocol":"TCP"}']));
});

Deno.test("elements of kinds unknown here are ignored", () => {
  assert(fieldSetFromJson({ "z:x": {}, "f:a": {} }).equals(FieldSet.of(["f:a"])));
});

const element = fc.oneof(
  fc.constantFrom("f:a", "f:b", "f:c", "f:__proto__"),
  fc.constantFrom('k:{"name":"x"}', 'k:{"name":"y"}', 'v:"1"', "v:2", "i:0"),
);
const set = fc.array(fc.array(element, { minLength: 1, maxLength: 4 }), { maxLength: 12 }).map((paths) =>
  FieldSet.of(...paths)
);

Deno.test("whatever the set, writing it as fieldsV1 and reading it keeps it", () => {
  fc.assert(fc.property(set, (fields) => {
    assert(fieldSetFromJson(JSON.parse(JSON.stringify(fieldSetToJson(fields)))).equals(fields));
  }));
});

Deno.test("whatever the sets, union, intersection and difference fit together", () => {
  fc.assert(fc.property(set, set, (a, b) => {
    assert(a.union(b).equals(b.union(a)));
    assert(a.intersection(b).equals(b.intersection(a)));
    assert(a.difference(b).union(a.intersection(b)).equals(a));
    assert(a.difference(b).intersection(b).isEmpty);
    for (const path of a.paths()) assert(a.union(b).has(path));
    for (const path of a.differenceWithChildren(b).paths()) {
      for (let length = 1; length <= path.length; length++) assert(!b.has(path.slice(0, length)));
    }
  }));
});
