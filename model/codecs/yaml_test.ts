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
