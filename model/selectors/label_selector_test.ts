import { deepEqual as assertEquals, ok as assert, throws as assertThrows } from "node:assert/strict";
import fc from "fast-check";
import { formatLabelSelector, matches, parseLabelSelector, SelectorError } from "./mod.ts";

Deno.test("a selector in text is read with all its operators", () => {
  assertEquals(parseLabelSelector("a=b, c==d,e!=f,g in (x,y),h notin (z), i,!j,k>1,l<2"), [
    { key: "a", operator: "in", values: ["b"] },
    { key: "c", operator: "in", values: ["d"] },
    { key: "e", operator: "notin", values: ["f"] },
    { key: "g", operator: "in", values: ["x", "y"] },
    { key: "h", operator: "notin", values: ["z"] },
    { key: "i", operator: "exists", values: [] },
    { key: "j", operator: "!", values: [] },
    { key: "k", operator: "gt", values: ["1"] },
    { key: "l", operator: "lt", values: ["2"] },
  ]);
  assertEquals(parseLabelSelector(""), []);
});

Deno.test("what is no selector is refused", () => {
  for (const text of ["a=b,", ",a", "a b", "a in x", "a in (x", "=a", "a=b c", "!", "a>x", "a/b/c=d", "a=b@"]) {
    assertThrows(() => parseLabelSelector(text), SelectorError, text);
  }
});

Deno.test("an absent selector selects nothing and an empty one everything", () => {
  assert(!matches(undefined, { a: "b" }));
  assert(matches({}, undefined));
});

Deno.test("every requirement must hold", () => {
  const selector = {
    matchLabels: { app: "a" },
    matchExpressions: [
      { key: "tier", operator: "In", values: ["x", "y"] },
      { key: "gone", operator: "DoesNotExist" },
      { key: "other", operator: "NotIn", values: ["z"] },
    ],
  };
  assert(matches(selector, { app: "a", tier: "x" }));
  assert(!matches(selector, { app: "a", tier: "x", gone: "" }));
  assert(!matches(selector, { app: "a", tier: "x", other: "z" }));
  assert(!matches(selector, { app: "b", tier: "x" }));
});

Deno.test("labels called like a member of every object are labels", () => {
  assert(!matches(parseLabelSelector("constructor"), {}));
  assert(matches(parseLabelSelector("constructor"), { constructor: "x" }));
});

const key = fc.constantFrom("a", "b", "c");
const values = fc.uniqueArray(fc.constantFrom("x", "y", "z"), { minLength: 1 });
const requirement = fc.oneof(
  fc.record({ key, operator: fc.constantFrom("in" as const, "notin" as const), values }),
  fc.record({ key, operator: fc.constantFrom("exists" as const, "!" as const), values: fc.constant([]) }),
);
const labels = fc.dictionary(key, fc.constantFrom("x", "y", "z", ""));

Deno.test("whatever the selector, its text selects the same", () => {
  fc.assert(fc.property(fc.array(requirement), labels, (requirements, object) => {
    const text = formatLabelSelector(requirements);
    assertEquals(matches(parseLabelSelector(text), object), matches(requirements, object));
  }));
});

Deno.test("whatever the labels, a requirement and its opposite never both hold", () => {
  fc.assert(fc.property(key, values, labels, (name, list, object) => {
    const holds = (operator: "in" | "notin" | "exists" | "!") =>
      matches([{ key: name, operator, values: list }], object);
    assert(holds("in") !== holds("notin"));
    assert(holds("exists") !== holds("!"));
  }));
});
