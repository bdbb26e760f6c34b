import { deepEqual, equal, ok } from "node:assert/strict";
import type { Endpoints } from "@k3ts/model/objects";
import { aPod, aService } from "@k3ts/model/testing";
import { isUpToDate, planEndpoints } from "./plan.ts";

const SERVICE = aService({ ports: [{ name: "http", port: 80, targetPort: 8080 }] });
const ports = [{ name: "http", port: 8080, protocol: "TCP" }];

Deno.test("pods that are ready, and those that are not, are told apart", () => {
  const pods = [
    aPod({ name: "b", ready: true, ip: "10.42.0.2", node: "n1" }),
    aPod({ name: "a", ready: true, ip: "10.42.0.1" }),
    aPod({ name: "c", ready: false, ip: "10.42.0.3" }),
  ];
  const { subsets } = planEndpoints(SERVICE, pods);
  equal(subsets.length, 1);
  deepEqual(subsets[0]!.addresses?.map(({ ip, nodeName }) => [ip, nodeName]), [
    ["10.42.0.1", undefined],
    ["10.42.0.2", "n1"],
  ]);
  deepEqual(subsets[0]!.notReadyAddresses?.map(({ ip }) => ip), ["10.42.0.3"]);
  deepEqual(subsets[0]!.ports, ports);
});

Deno.test("a pod on its way out is left out", () => {
  const going = aPod({ ready: true, ip: "10.42.0.1", deleted: "2026-01-01T00:00:00Z" });
  deepEqual(planEndpoints(SERVICE, [going]).subsets, []);
});

Deno.test("what is up to date stays so, whatever the order of the pods", () => {
  const pods = [1, 2, 3].map((index) => aPod({ name: `p${index}`, ready: true, ip: `10.42.0.${index}` }));
  const { subsets, labels } = planEndpoints(SERVICE, pods);
  const existing: Endpoints = {
    metadata: { name: "demo", uid: "1", resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z", labels },
    subsets,
  };
  ok(isUpToDate(existing, planEndpoints(SERVICE, pods.toReversed())));
  ok(!isUpToDate(existing, planEndpoints(SERVICE, pods.slice(1))));
});

Deno.test("of more than a thousand those that serve come first, and the rest is said to be missing", () => {
  const pods = Array.from(
    { length: 1_200 },
    (_, index) => aPod({ name: `p${index}`, ready: index >= 400, ip: `10.42.${index >> 8}.${index & 255}` }),
  );
  const { subsets, isTruncated } = planEndpoints(SERVICE, pods);
  ok(isTruncated);
  deepEqual([subsets[0]!.addresses?.length, subsets[0]!.notReadyAddresses?.length], [800, 200]);
});
