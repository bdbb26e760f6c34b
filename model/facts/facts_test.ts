import { deepEqual as assertEquals, ok as assert } from "node:assert/strict";
import { allResources, objectType, resourceFacts, subresourceFacts, typeByKey, typeFacts, typeKeys } from "./mod.ts";

Deno.test("every line of the table can be read and refers only to types that exist", () => {
  let count = 0;
  for (const key of typeKeys()) {
    const type = typeByKey(key)!;
    for (const field of type.fields) {
      assert((field.type === undefined) === (field.scalar !== undefined), `${key}.${field.name}`);
      for (const name of field.keys ?? []) {
        assert(field.type?.field(name) !== undefined, `${key}.${field.name} ${name}`);
      }
    }
    count++;
  }
  assert(count > 800);
});

Deno.test("every version of every resource has a type", () => {
  for (const resource of allResources()) {
    for (const { version, verbs, subresources } of resource.versions) {
      if (verbs.length > 0) assert(objectType(resource, version) !== undefined, `${resource.resource} ${version}`);
      for (const sub of subresources ?? []) {
        assert(typeFacts(sub.group, sub.version, sub.kind) !== undefined, `${resource.resource}/${sub.name}`);
      }
    }
  }
});

Deno.test("a hoisted field is found by its own name", () => {
  assertEquals(typeByKey("v1.Volume")!.field("emptyDir")!.type!.key, "v1.EmptyDirVolumeSource");
  assertEquals(typeByKey("v1.Volume")!.field("volumeSource"), undefined);
});

Deno.test("a list knows its keys and what they are when an item does not say", () => {
  const ports = typeByKey("v1.Container")!.field("ports")!;
  assertEquals(ports.keys, ["containerPort", "protocol"]);
  assertEquals(ports.keyDefaults, { protocol: "TCP" });
  assertEquals(ports.patchMergeKey, "containerPort");
});

Deno.test("a subresource names the kind that it takes", () => {
  const scale = subresourceFacts(resourceFacts("apps", "deployments")!, "v1", "scale")!;
  assertEquals([scale.group, scale.version, scale.kind], ["autoscaling", "v1", "Scale"]);
  assertEquals(resourceFacts("", "pods")!.storageVersion, "v1");
});

Deno.test("a reference is one value to server-side apply, but for the claim of a volume", () => {
  assertEquals(typeByKey("v1.Event")!.field("involvedObject")!.type!.atomic, true);
  assertEquals(typeByKey("v1.PersistentVolumeSpec")!.field("claimRef")!.type!.atomic, false);
});

Deno.test("an embedded struct knows how its lists merge", () => {
  assertEquals(typeByKey("v1.EphemeralContainer")!.field("env")!.keys, ["name"]);
});
