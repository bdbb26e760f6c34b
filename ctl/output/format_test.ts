import { equal, throws } from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { DiscoveredResourceSchema } from "@k3ts/proto";
import { parseFormat, parseObjectFormat, showObjects } from "./format.ts";

const resource = create(DiscoveredResourceSchema, { version: "v1", resource: "pods", kind: "Pod", singular: "pod" });
const pod = (name: string, ...images: string[]) => ({
  resource,
  object: {
    metadata: { name, managedFields: [{ manager: "x" }] },
    spec: { containers: images.map((image) => ({ image })) },
  },
});
const show = (output: string, objects: ReturnType<typeof pod>[], options = {}) =>
  showObjects(objects, parseObjectFormat(output)!, { single: false, ...options });

Deno.test("objects are shown with their type and without their managers", () => {
  const [item] = JSON.parse(show("json", [pod("a")])).items;
  equal(item.apiVersion + item.kind, "v1Pod");
  equal(item.metadata.managedFields, undefined);
  equal(
    JSON.parse(show("json", [pod("a")], { single: true, showManagedFields: true })).metadata.managedFields.length,
    1,
  );
});

Deno.test("JSONPath sees one object as itself and several as a list; nothing is added at its end", () => {
  equal(show("jsonpath={.items[*].metadata.name}", [pod("a"), pod("b")]), "a b");
  equal(show('jsonpath={.metadata.name}{"="}', [pod("a")], { single: true }), "a=");
});

Deno.test("custom columns have a header, and show what is missing", () => {
  const text = show("custom-columns=NAME:.metadata.name,IMAGES:.spec.containers[*].image,NO:.x", [
    pod("a", "p", "q"),
    pod("b"),
  ]);
  equal(text, "NAME   IMAGES   NO\na      p,q      <none>\nb      <none>   <none>\n");
  equal(show("custom-columns=N:metadata.name", [pod("a")], { headers: false }), "a\n");
});

Deno.test("an output that is none is refused, with what was meant", () => {
  throws(() => parseFormat("jsn"), /must be one of wide, json, .*: it is "jsn"; did you mean "json"\?/);
  throws(() => parseFormat("jsonpath="), /jsonpath needs a template/);
  throws(() => parseFormat("custom-columns=x"), /HEADER:PATH: "x" is not/);
  throws(() => parseFormat("jsonpath-file=/nonexistent"), /Cannot read \/nonexistent/);
});
