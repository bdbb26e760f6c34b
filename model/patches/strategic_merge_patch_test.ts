import { deepEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import { typeFacts } from "../facts/mod.ts";
import { equalJson, type Json, type JsonObject } from "../json.ts";
import { PatchError, strategicMergePatch } from "./mod.ts";
import recorded from "./testdata/kubernetes_1_35_4.json" with { type: "json" };

const POD = typeFacts("", "v1", "Pod")!;
const DEPLOYMENT = typeFacts("apps", "v1", "Deployment")!;

const patchSpec = (spec: JsonObject, patch: JsonObject) => strategicMergePatch({ spec }, { spec: patch }, POD)["spec"];

Deno.test("items of a list merge by its key, others stay", () => {
  const spec: JsonObject = {
    containers: [{ name: "a", image: "1", env: [{ name: "X", value: "1" }] }, { name: "b", image: "1" }],
  };
  const patch = { containers: [{ name: "a", image: "2", env: [{ name: "Y", value: "2" }] }] };
  assertEquals(patchSpec(spec, patch), {
    containers: [
      { name: "a", image: "2", env: [{ name: "Y", value: "2" }, { name: "X", value: "1" }] },
      { name: "b", image: "1" },
    ],
  });
});

Deno.test("a list without a strategy is replaced", () => {
  const spec = { containers: [{ name: "a", args: ["x", "y"] }] };
  assertEquals(patchSpec(spec, { containers: [{ name: "a", args: ["z"] }] }), {
    containers: [{ name: "a", args: ["z"] }],
  });
});

Deno.test("an item is deleted by directive, a member by null", () => {
  const spec = { hostname: "h", containers: [{ name: "a" }, { name: "b" }] };
  assertEquals(patchSpec(spec, { hostname: null, containers: [{ $patch: "delete", name: "a" }] }), {
    containers: [{ name: "b" }],
  });
});

Deno.test("a map and a list are replaced by directive", () => {
  const spec = { nodeSelector: { a: "1", b: "2" }, containers: [{ name: "a" }, { name: "b" }] };
  const patch: JsonObject = {
    nodeSelector: { $patch: "replace", c: "3" },
    containers: [{ name: "c" }, { $patch: "replace" }],
  };
  assertEquals(patchSpec(spec, patch), { nodeSelector: { c: "3" }, containers: [{ name: "c" }] });
});

Deno.test("keys that are not retained go, as when the type of a strategy changes", () => {
  const document = { spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } } } };
  const patch = { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } };
  assertEquals(strategicMergePatch(document, patch, DEPLOYMENT), { spec: { strategy: { type: "Recreate" } } });
});

Deno.test("the order of a list is the one that the patch gives", () => {
  const spec = { containers: [{ name: "a" }, { name: "b" }, { name: "c" }] };
  const order = [{ name: "c" }, { name: "a" }, { name: "b" }];
  const patch = { "$setElementOrder/containers": order, containers: [{ name: "a", image: "2" }] };
  assertEquals(patchSpec(spec, patch), { containers: [{ name: "c" }, { name: "a", image: "2" }, { name: "b" }] });
});

Deno.test("values are added to and deleted from a list of scalars", () => {
  const document = { metadata: { finalizers: ["a", "b"] } };
  const patch = { metadata: { "$deleteFromPrimitiveList/finalizers": ["a"], finalizers: ["c"] } };
  assertEquals(strategicMergePatch(document, patch, POD), { metadata: { finalizers: ["c", "b"] } });
});

Deno.test("ports of one number are told apart by no more than that number", () => {
  const spec = { containers: [{ name: "a", ports: [{ containerPort: 53, protocol: "TCP" }] }] };
  const patch = { containers: [{ name: "a", ports: [{ containerPort: 53, name: "dns" }] }] };
  assertEquals(patchSpec(spec, patch), {
    containers: [{ name: "a", ports: [{ containerPort: 53, protocol: "TCP", name: "dns" }] }],
  });
});

Deno.test("a patch that cannot be understood is refused", () => {
  const spec = { containers: [{ name: "a" }] };
  const patches: JsonObject[] = [
    { containers: [{ image: "x" }] },
    { containers: [{ name: "a", $patch: "x" }] },
    { nodeSelector: { $patch: "x" } },
    { securityContext: { $retainKeys: ["a"], b: 1 } },
    { "$setElementOrder/containers": [{ name: "b" }], containers: [{ name: "a" }] },
    { "$deleteFromPrimitiveList/containers": 1 },
  ];
  const base = { ...spec, nodeSelector: {}, securityContext: {} };
  for (const patch of patches) assertThrows(() => patchSpec(base, patch), PatchError, JSON.stringify(patch));
});

Deno.test("patches come out as Kubernetes 1.35.4 made them", () => {
  for (
    const { object, patch, result } of recorded as unknown as { object: JsonObject; patch: JsonObject; result: Json }[]
  ) {
    const mine = withoutNulls(strategicMergePatch(object, patch, DEPLOYMENT));
    if (!equalJson(mine, result)) assertEquals(mine, result, JSON.stringify({ object, patch }));
  }
});

function withoutNulls(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).filter(([, member]) => member !== null).map(([name, member]) => [name, withoutNulls(member)]),
  );
}
