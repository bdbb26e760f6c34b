import { equal } from "node:assert/strict";
import { renderTree } from "./tree.ts";

Deno.test("values stand in a column behind their keys", () => {
  equal(renderTree({ name: "a", namespace: "default" }), "name:      a\nnamespace: default");
});

Deno.test("what is nested is indented, and items of lists begin with a dash", () => {
  const shown = renderTree({ spec: { ports: [{ name: "http", port: 80 }], args: ["a", 0, false] } });
  equal(shown, "spec:\n  ports:\n    - name: http\n      port: 80\n  args:\n    - a\n    - 0\n    - false");
});

Deno.test("what is empty, at whatever depth, is left out", () => {
  equal(renderTree({ a: undefined, b: null, c: {}, d: [], e: { f: {}, g: [{}] }, h: 0 }), "h: 0");
});

Deno.test("text of several lines stands below its key", () => {
  equal(renderTree({ data: { "index.html": "<h1>\n</h1>\n" } }), "data:\n  index.html:\n    <h1>\n    </h1>");
});

Deno.test("what others have written cannot command the terminal", () => {
  equal(renderTree({ note: "a\u001b[2J\nb" }), "note:\n  a^[[2J\n  b");
});
