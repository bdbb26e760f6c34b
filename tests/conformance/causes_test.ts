import { equal } from "node:assert/strict";
import { causeOf, CAUSES, causesIn, lacks } from "./causes.ts";

const served = CAUSES.flatMap(({ served }) => served ?? []);
const without = (...resources: string[]) => causesIn(served.filter((resource) => !resources.includes(resource)));

Deno.test("what is served is no cause", () => {
  equal(causesIn(served).some(({ served }) => served !== undefined), false);
  equal(without("apps/statefulsets").filter(({ served }) => served !== undefined).length, 1);
});

Deno.test("a test about what is lacking is known by its name", () => {
  const name = "[sig-apps] StatefulSet Basic StatefulSet functionality should work [Conformance]";
  const causes = without("apps/statefulsets");
  equal(lacks(causes, name), true);
  equal(causeOf(causes, name, "whatever")?.capability, "Stateful sets");
  equal(lacks(causesIn(served), name), false);
});

Deno.test("a test that needs it on the way is known by what it says, once it has failed", () => {
  const name = "[sig-api-machinery] Garbage collector should work [Conformance]";
  const causes = without("core/replicationcontrollers");
  equal(lacks(causes, name), false);
  equal(causeOf(causes, name, "cannot create replicationcontrollers")?.capability, "Replication controllers");
  equal(causeOf(causes, name, "expected 1, got 2"), undefined);
});

Deno.test("a capability stands in the table once", () => {
  equal(new Set(CAUSES.map(({ capability }) => capability)).size, CAUSES.length);
});
