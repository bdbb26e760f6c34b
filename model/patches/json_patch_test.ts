import { deepEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import fc from "fast-check";
import { cloneJson, type Json } from "../json.ts";
import { jsonPatch, PatchError } from "./mod.ts";

const DOCUMENT = { a: { b: [1, 2, 3] }, "x/y": 1, "m~n": 2 };

Deno.test("each operation does what RFC 6902 says", () => {
  const cases: [unknown[], Json][] = [
    [[{ op: "add", path: "/a/b/1", value: 9 }], { ...DOCUMENT, a: { b: [1, 9, 2, 3] } }],
    [[{ op: "add", path: "/a/b/-", value: 9 }], { ...DOCUMENT, a: { b: [1, 2, 3, 9] } }],
    [[{ op: "remove", path: "/a/b/0" }], { ...DOCUMENT, a: { b: [2, 3] } }],
    [[{ op: "replace", path: "/a", value: null }], { ...DOCUMENT, a: null }],
    [[{ op: "move", from: "/x~1y", path: "/z" }], { a: DOCUMENT.a, "m~n": 2, z: 1 }],
    [[{ op: "copy", from: "/m~0n", path: "/a/c" }], { ...DOCUMENT, a: { b: [1, 2, 3], c: 2 } }],
    [[{ op: "test", path: "/a/b", value: [1, 2, 3] }], DOCUMENT],
    [[{ op: "replace", path: "", value: 1 }], 1],
  ];
  for (const [patch, result] of cases) assertEquals(jsonPatch(DOCUMENT, patch), result);
});

Deno.test("what does not fit the document is inapplicable, and nothing of it is done", () => {
  const before = cloneJson(DOCUMENT);
  const patches = [
    [{ op: "add", path: "/new", value: 1 }, { op: "test", path: "/new", value: 2 }],
    [{ op: "remove", path: "/none" }],
    [{ op: "replace", path: "/none", value: 1 }],
    [{ op: "add", path: "/a/b/4", value: 1 }],
    [{ op: "add", path: "/a/b/01", value: 1 }],
    [{ op: "add", path: "/none/x", value: 1 }],
    [{ op: "move", from: "/a", path: "/a/b" }],
  ];
  for (const patch of patches) {
    assertThrows(
      () => jsonPatch(DOCUMENT, patch),
      (error) => error instanceof PatchError && error.reason === "inapplicable",
    );
  }
  assertEquals(DOCUMENT, before);
});

Deno.test("what is no patch is malformed", () => {
  for (
    const patch of [{}, [1], [{ op: "x", path: "" }], [{ op: "add" }], [{ op: "move", path: "/a" }], [{
      op: "remove",
      path: "a",
    }]]
  ) {
    assertThrows(
      () => jsonPatch(DOCUMENT, patch),
      (error) => error instanceof PatchError && error.reason === "malformed",
    );
  }
});

Deno.test("a path through the prototype leads nowhere", () => {
  assertThrows(() => jsonPatch({}, [{ op: "add", path: "/__proto__/polluted", value: 1 }]), PatchError);
  const patched = jsonPatch({}, [{ op: "add", path: "/__proto__", value: { polluted: 1 } }]);
  assertEquals(({} as Record<string, unknown>)["polluted"], undefined);
  assertEquals(JSON.stringify(patched), '{"__proto__":{"polluted":1}}');
});

Deno.test("whatever is added can be tested for and removed again", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), fc.jsonValue(), (document, name, value) => {
      const json = JSON.parse(JSON.stringify(document)) as { [name: string]: Json };
      delete json[name];
      const path = `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      const plain = JSON.parse(JSON.stringify(value)) as Json;
      const patch = [{ op: "add", path, value: plain }, { op: "test", path, value: plain }, { op: "remove", path }];
      assertEquals(jsonPatch(json, patch), json);
    }),
  );
});

Deno.test("copies of copies are refused before they fill the memory", () => {
  const doubling = Array.from({ length: 60 }, (_, index) => ({ op: "copy", from: "/a", path: `/a/${index}` }));
  assertThrows(
    () => jsonPatch({ a: { x: 1 } }, doubling),
    (error) => error instanceof PatchError && error.reason === "inapplicable" && /may copy at most/.test(error.message),
  );
});
