import { equal } from "node:assert/strict";
import { equalJson } from "./json.ts";

Deno.test("JSON is equal in any order of its members, and without what is undefined", () => {
  equal(equalJson({ a: 1, b: [{ c: 2 }] }, { b: [{ c: 2, d: undefined }], a: 1 }), true);
  equal(equalJson({ a: 1 }, { a: 1, b: null }), false);
  equal(equalJson([1, 2], [2, 1]), false);
  equal(equalJson({ a: [] }, { a: {} }), false);
});
