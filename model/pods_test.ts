import { deepEqual as assertEquals, ok as assert } from "node:assert/strict";
import { isActive, isAvailable, isReady, qosClass, readySince } from "./pods.ts";
import { aPod } from "./testing/mod.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");

Deno.test("a pod that has ended or is being deleted is not active", () => {
  assert(isActive(aPod()));
  assert(!isActive(aPod({ phase: "Failed" })));
  assert(!isActive(aPod({ phase: "Succeeded" })));
  assert(!isActive(aPod({ deleted: "2026-01-01T00:00:00Z" })));
});

Deno.test("a pod is available once it has been ready for long enough", () => {
  const pod = aPod({ ready: true, readySince: NOW - 5_000 });
  assert(isReady(pod));
  assertEquals(readySince(pod), NOW - 5_000);
  assert(isAvailable(pod, 5, NOW));
  assert(!isAvailable(pod, 6, NOW));
  assert(Number.isNaN(readySince(aPod({ ready: false }))));
});

Deno.test("what a pod asks for decides its class", () => {
  const of = (resources: object) => qosClass(aPod({ spec: { containers: [{ name: "c", image: "i", resources }] } }));
  assertEquals(of({}), "BestEffort");
  assertEquals(of({ requests: { cpu: "1" } }), "Burstable");
  assertEquals(of({ requests: { cpu: "0" } }), "BestEffort");
  const all = { cpu: "1", memory: "1Gi" };
  assertEquals(of({ requests: all, limits: all }), "Guaranteed");
  assertEquals(of({ requests: { cpu: "1000m", memory: "1024Mi" }, limits: all }), "Guaranteed");
  assertEquals(of({ requests: { ...all, cpu: "500m" }, limits: all }), "Burstable");
});
