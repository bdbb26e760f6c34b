import { deepEqual as assertEquals, equal } from "node:assert/strict";
import { renderObjects, withoutManagers } from "./objects.ts";

const one = { apiVersion: "v1", kind: "A", metadata: { name: "x", managedFields: [{ manager: "k3ts" }] } };

Deno.test("YAML repeats what is the same, and needs no references", () => {
  const labels = { app: "web" };
  const object = { ...one, metadata: { name: "x", labels }, spec: { selector: labels } };
  equal(renderObjects(object, "yaml").split("app: web").length, 3);
});

Deno.test("managers are left out without touching the object", () => {
  assertEquals(withoutManagers(one).metadata, { name: "x" });
  equal(one.metadata.managedFields.length, 1);
});
