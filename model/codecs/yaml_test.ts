import { deepEqual as assertEquals, throws as assertThrows } from "node:assert/strict";
import { typeFacts } from "../facts/types.ts";
import type { ConfigMap } from "../types/mod.ts";
import { decodeYaml, encodeYaml, parseYaml, parseYamlDocuments } from "./mod.ts";

const CONFIG_MAP = typeFacts("", "v1", "ConfigMap")!;

Deno.test("YAML reads as JSON would", () => {
  const text = "kind: ConfigMap\nmetadata:\n  name: a\ndata:\n  key: |\n    two\n    lines\n";
  assertEquals(decodeYaml<ConfigMap>(text, CONFIG_MAP).object, {
    kind: "ConfigMap",
    metadata: { name: "a" },
    data: { key: "two\nlines\n" },
  });
});

Deno.test("scalars are those of YAML 1.1, as manifests expect", () => {
  const text =
    "{mode: 0644, on: 8080, yes: yes, port: 22:30, date: 2026-01-01, sci: 1e3, text: '0644', none: ~, hex: 0x1f}";
  assertEquals(parseYaml(text).value, {
    mode: 420,
    true: true,
    port: "22:30",
    date: "2026-01-01",
    sci: 1000,
    text: "0644",
    none: null,
    hex: 31,
  });
});

Deno.test("merge keys and anchors are resolved", () => {
  assertEquals(parseYaml("a: &x {b: 1}\nc:\n  <<: *x\n  d: 2\n").value, { a: { b: 1 }, c: { b: 1, d: 2 } });
});

Deno.test("a file may hold several documents, empty ones do not count", () => {
  assertEquals(parseYamlDocuments("---\na: 1\n---\n# nothing\n---\nb: 2\n").map(({ value }) => value), [{ a: 1 }, {
    b: 2,
  }]);
});

Deno.test("a key that stands twice is a problem, and an error when strict", () => {
  const text = "metadata:\n  name: a\n  name: b\n";
  assertEquals(decodeYaml(text, CONFIG_MAP).problems, ['yaml: line 3: key "name" already set in map']);
  assertEquals(decodeYaml(text, CONFIG_MAP).object.metadata.name, "b");
  assertThrows(
    () => decodeYaml(text, CONFIG_MAP, { fieldValidation: "Strict" }),
    /strict decoding error: yaml: line 3/,
  );
});

Deno.test("a map may take over others: its own keys go first, then those of the first map that has them", () => {
  const text = 'a: &a {p: 1, q: 1}\nb: &b {q: 2, r: 2}\nc:\n  <<: [*a, *b]\n  p: 3\nd: {"<<": 4}\n';
  const { c, d } = parseYaml(text).value as Record<string, unknown>;
  assertEquals(c, { p: 3, q: 1, r: 2 });
  assertEquals(d, { "<<": 4 });
});

Deno.test("an alias stands for the last anchor of its name before it, and for none that holds it", () => {
  assertEquals(parseYaml("[&a 1, *a, &a 2, *a]").value, [1, 1, 2, 2]);
  assertEquals(parseYaml("a: &x\nb: *x").value, { a: null, b: null });
  assertEquals(parseYaml("&k key: 1\nb: *k").value, { key: 1, b: "key" });
  assertThrows(() => parseYaml("a: &a [*a]"), /unknown anchor 'a' referenced/);
  assertThrows(() => parseYaml("<<: 1"), /map merge requires map/);
});

Deno.test("keys may be called as every object's are, and must be scalars", () => {
  const value = parseYaml("__proto__: {a: 1}\nconstructor: 2\n3: 4\ntrue: 5\n").value as Record<string, unknown>;
  assertEquals(Object.keys(value).toSorted(), ["3", "__proto__", "constructor", "true"]);
  assertEquals(({} as { a?: number }).a, undefined);
  assertThrows(() => parseYaml("[a, b]: 1"), /a key must be text, a number or a boolean: it is a collection/);
  assertThrows(() => parseYaml("? ~\n: 1"), /it is null/);
});

Deno.test("keys and aliases cost no more each the more there are", () => {
  const count = 20_000;
  const lines = (line: (index: number) => string) =>
    Array.from({ length: count }, (_, index) => line(index)).join("\n");
  const keys = parseYaml(`data:\n${lines((index) => `  k${index}: v`)}`).value as { data: object };
  assertEquals(Object.keys(keys.data).length, count);
  const flow = parseYaml(`{${lines((index) => `k${index}: v,`)}}`).value as object;
  assertEquals(Object.keys(flow).length, count);
  const aliases = parseYaml(lines((index) => `- &a${index} 1\n- *a${index}`)).value as unknown[];
  assertEquals(aliases.length, 2 * count);
  assertEquals(parseYaml(`x:\n${lines(() => "  a: 1")}`).duplicates.length, 100);
  assertThrows(() => parseYaml("!!x ".repeat(count)), /yaml: line 1: A node can have at most one tag/);
});

Deno.test("what is no YAML is refused", () => {
  assertThrows(() => parseYaml("a: [1"), { name: "DecodeError" });
  assertThrows(() => parseYaml("a: b: c"), { name: "DecodeError" });
  assertThrows(() => parseYaml("[".repeat(10_000)), { name: "DecodeError" });
  const lists = Array.from(
    { length: 9 },
    (_, i) => `${"bcdefghij"[i]}: &${"bcdefghij"[i]} [${`*${"abcdefghi"[i]},`.repeat(9)}]`,
  );
  assertThrows(() => parseYaml(["a: &a [x]", ...lists].join("\n")), { name: "DecodeError" });
});

Deno.test("text that would read as something else is quoted", () => {
  const object = { b: "yes", a: "0644", c: "1e3", d: "null" };
  assertEquals(parseYaml(encodeYaml(object)).value, object);
});
