import { deepEqual as assertEquals } from "node:assert/strict";
import fc from "fast-check";
import type { Json } from "../json.ts";
import { mergePatch } from "./mod.ts";

Deno.test("the examples of RFC 7386 come out as it says", () => {
  const cases: [Json, Json, Json][] = [
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [["a", "b"], ["c", "d"], ["c", "d"]],
    [{ a: "b" }, ["c"], ["c"]],
    [{ a: "foo" }, null, null],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [document, patch, result] of cases) assertEquals(mergePatch(document, patch), result);
});

const plain = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as Json);

Deno.test("whatever the patch, merging it twice is merging it once", () => {
  fc.assert(fc.property(plain, plain, (document, patch) => {
    const once = mergePatch(document, patch);
    assertEquals(mergePatch(once, patch), once);
  }));
});
