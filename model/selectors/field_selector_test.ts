import { deepEqual as assertEquals, ok as assert, throws as assertThrows } from "node:assert/strict";
import fc from "fast-check";
import { formatFieldSelector, matchesFields, parseFieldSelector, SelectorError } from "./mod.ts";

Deno.test("a field selector is read with both operators", () => {
  assertEquals(parseFieldSelector("metadata.name=a,status.phase!=Running,spec.nodeName=="), [
    { field: "metadata.name", equal: true, value: "a" },
    { field: "status.phase", equal: false, value: "Running" },
    { field: "spec.nodeName", equal: true, value: "" },
  ]);
});

Deno.test("an object matches when every field does", () => {
  const fields = { "metadata.name": "a", "status.phase": "Pending" };
  assert(matchesFields(parseFieldSelector("metadata.name=a,status.phase!=Running"), fields));
  assert(!matchesFields(parseFieldSelector("metadata.name=b"), fields));
  assert(matchesFields([], fields));
});

Deno.test("a field that cannot be asked for is refused", () => {
  assertThrows(() => matchesFields(parseFieldSelector("spec.x=a"), { "metadata.name": "a" }), SelectorError);
});

Deno.test("what is no field selector is refused", () => {
  for (const text of ["a", "a=b=c", "a=\\x"]) assertThrows(() => parseFieldSelector(text), SelectorError, text);
});

Deno.test("whatever the value, writing and reading it keeps it", () => {
  fc.assert(fc.property(fc.string(), fc.boolean(), (value, equal) => {
    const selector = [{ field: "metadata.name", equal, value }];
    assertEquals(parseFieldSelector(formatFieldSelector(selector)), selector);
  }));
});
