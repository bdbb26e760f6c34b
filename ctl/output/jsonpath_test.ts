import { deepEqual as assertEquals, equal, throws } from "node:assert/strict";
import { find, parseRelaxed, parseTemplate, renderTemplate } from "./jsonpath.ts";

const list = {
  kind: "List",
  items: [
    {
      metadata: { name: "a", labels: { "app.kubernetes.io/name": "web" } },
      status: { capacity: { cpu: "4" }, ready: true, count: 3 },
      spec: { containers: [{ name: "one", image: "x" }, { name: "two", image: "y" }] },
    },
    { metadata: { name: "b" }, status: { capacity: { cpu: "8" }, ready: false, count: 5 }, spec: { containers: [] } },
  ],
};
const render = (template: string) => renderTemplate(parseTemplate(template), list);

Deno.test("paths, wildcards, indexes, slices and unions, as in Kubernetes's documentation", () => {
  equal(render("{.kind}"), "List");
  equal(render("{.items[*].metadata.name}"), "a b");
  equal(render("{.items[0].metadata.name}-{.items[-1].metadata.name}"), "a-b");
  equal(render("{.items[0:1].metadata.name}"), "a");
  equal(render("{.items[::2].metadata.name}"), "a");
  equal(render("{.items[0,1].metadata.name}"), "a b");
  equal(render("{.items[*]['metadata.name', 'status'].count}"), "3 5");
  equal(render("{$.items[0].status.*}"), '{"cpu":"4"} true 3');
  equal(render("{..name}"), "a one two b");
  equal(render("{@.kind}"), "List");
});

Deno.test("names with dots are escaped or quoted", () => {
  equal(render("{.items[0].metadata.labels.app\\.kubernetes\\.io/name}"), "web");
  equal(render("{.items[0].metadata.labels['app.kubernetes.io/name']}"), "web");
});

Deno.test("filters compare, and ask whether there is something", () => {
  equal(render('{.items[?(@.metadata.name=="b")].status.capacity.cpu}'), "8");
  equal(render("{.items[?(@.status.count > 3)].metadata.name}"), "b");
  equal(render("{.items[?(@.status.ready==true)].metadata.name}"), "a");
  equal(render("{.items[?(@.metadata.labels)].metadata.name}"), "a");
  equal(render('{.items[?(@.spec.containers[0].name != "one")].metadata.name}'), "b");
});

Deno.test("ranges repeat their body, also one in another, and text may have escapes", () => {
  equal(render('{range .items[*]}{.metadata.name}{"\\t"}{.status.count}{"\\n"}{end}'), "a\t3\nb\t5\n");
  equal(
    render("{range .items[*]}[{range .spec.containers[*]}{.name}={.image};{end}]{end}!"),
    "[one=x;two=y;][]!",
  );
  equal(render('a {"{braces}"} b'), "a {braces} b");
});

Deno.test("what is not there is empty", () => {
  equal(render("<{.nothing.at.all}{.items[7].x}{.kind[0]}{.kind.length}{.constructor}>"), "<>");
});

Deno.test("paths may be written without braces and without the first dot", () => {
  for (const text of ["{.kind}", ".kind", "kind", "$.kind"]) assertEquals(find(parseRelaxed(text), list), ["List"]);
});

Deno.test("what is no JSONPath is refused with the reason", () => {
  throws(() => parseTemplate("{.a"), /a "}" is missing/);
  throws(() => parseTemplate("{range .a}x"), /{range} has no {end}/);
  throws(() => parseTemplate("{end}"), /{end} has no {range}/);
  throws(() => parseTemplate("{.a[b]}"), /"b" is no index/);
  throws(() => parseTemplate("{.a[::0]}"), /a step must be at least 1/);
  throws(() => parseTemplate("{a b}"), /a path begins with a dot/);
  throws(() => parseTemplate("{.a b}"), /" " is unexpected/);
  throws(() => parseTemplate('{"x}'), /a "}" is missing|a quote is missing/);
  throws(() => parseTemplate("{range .a}".repeat(100)), /nested 32 deep/);
});
