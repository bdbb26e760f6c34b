import { deepEqual as assertEquals, equal as assertSame } from "node:assert/strict";
import fc from "fast-check";
import { type ConditionData, controllerOf, mergeConditions } from "./meta.ts";
import { aPod, aReplicaSet } from "./testing/mod.ts";

const BEFORE = "2026-01-01T00:00:00Z";
const NOW = "2026-01-02T00:00:00Z";

Deno.test("a pod of the builder's belongs to the ReplicaSet of the builder's", () => {
  assertEquals(controllerOf(aPod())?.kind, "ReplicaSet");
  assertEquals(controllerOf(aPod())?.uid, aReplicaSet().metadata.uid);
  assertEquals(controllerOf(aPod({ owner: null })), undefined);
});

Deno.test("an owner that does not control is no controller", () => {
  const pod = aPod();
  pod.metadata.ownerReferences = [{ apiVersion: "v1", kind: "X", name: "x", uid: "x" }];
  assertEquals(controllerOf(pod), undefined);
});

Deno.test("a condition keeps its time while its status stays", () => {
  const old = [{ type: "Ready", status: "True", reason: "A", lastTransitionTime: BEFORE }];
  const merged = mergeConditions(old, [{ type: "Ready", status: "True", reason: "B" }], NOW);
  assertEquals(merged, [{ type: "Ready", status: "True", reason: "B", lastTransitionTime: BEFORE }]);
});

Deno.test("a condition whose status moves gets the time of now", () => {
  const old = [{ type: "Ready", status: "True", lastTransitionTime: BEFORE }];
  assertEquals(mergeConditions(old, [{ type: "Ready", status: "False" }], NOW)[0]?.lastTransitionTime, NOW);
});

Deno.test("conditions that do not change are the very same array", () => {
  const old = [{ type: "Ready", status: "True", lastTransitionTime: BEFORE }];
  assertSame(mergeConditions(old, [{ type: "Ready", status: "True" }], NOW), old);
});

Deno.test("whatever is merged, each type stands once and merging again changes nothing", () => {
  const condition = fc.record({
    type: fc.constantFrom("A", "B", "C"),
    status: fc.constantFrom("True", "False", "Unknown"),
  });
  fc.assert(
    fc.property(fc.array(condition), fc.uniqueArray(condition, { selector: ({ type }) => type }), (first, second) => {
      const merged = mergeConditions(mergeConditions<ConditionData>([], first, BEFORE), second, NOW);
      assertEquals(new Set(merged.map(({ type }) => type)).size, merged.length);
      assertSame(mergeConditions(merged, second, "2026-01-03T00:00:00Z"), merged);
    }),
  );
});
