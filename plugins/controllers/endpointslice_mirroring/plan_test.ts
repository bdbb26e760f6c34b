import { deepEqual, equal } from "node:assert/strict";
import type { Endpoints, EndpointSlice } from "@k3ts/model/objects";
import { aService } from "@k3ts/model/testing";
import type { SliceAction } from "../endpointslice/plan.ts";
import { planMirror } from "./plan.ts";

const SERVICE = aService({ spec: { selector: undefined } });

function endpoints(over: Partial<Endpoints["metadata"]> = {}, subsets: Endpoints["subsets"] = SUBSETS): Endpoints {
  const metadata = {
    name: "demo",
    namespace: "default",
    uid: "e",
    resourceVersion: "1",
    creationTimestamp: "",
    ...over,
  };
  return { metadata, subsets };
}

const SUBSETS: Endpoints["subsets"] = [{
  addresses: [{ ip: "192.0.2.1" }],
  notReadyAddresses: [{ ip: "192.0.2.2" }, { ip: "2001:db8::1" }],
  ports: [{ name: "http", port: 8080, protocol: "TCP" }],
}];

function sliceOf(action: SliceAction | undefined, name = "demo-a"): EndpointSlice {
  if (action?.do !== "createSlice") throw new Error(`Not a slice to make: ${JSON.stringify(action)}`);
  const { labels, ...rest } = action.slice;
  return { metadata: { name, uid: name, resourceVersion: "1", creationTimestamp: "", labels }, ...rest };
}

Deno.test("what somebody writes as Endpoints is told as slices, a kind of address each", () => {
  const slices = planMirror(endpoints({ labels: { team: "a" } }), SERVICE, []).map((action) => sliceOf(action));
  deepEqual(slices.map(({ addressType, endpoints }) => [addressType, endpoints]), [
    ["IPv4", [
      { addresses: ["192.0.2.1"], conditions: { ready: true } },
      { addresses: ["192.0.2.2"], conditions: { ready: false } },
    ]],
    ["IPv6", [{ addresses: ["2001:db8::1"], conditions: { ready: false } }]],
  ]);
  deepEqual(slices[0]!.metadata.labels, {
    team: "a",
    "kubernetes.io/service-name": "demo",
    "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
  });
  deepEqual(slices[0]!.ports, [{ name: "http", port: 8080, protocol: "TCP" }]);
});

Deno.test("what is told already stays, and goes with its reason", () => {
  const slices = planMirror(endpoints(), SERVICE, []).map((action, at) => sliceOf(action, `demo-${at}`));
  deepEqual(planMirror(endpoints(), SERVICE, slices), []);
  const gone = ["deleteSlice", "deleteSlice"];
  const done = (...input: Parameters<typeof planMirror>) => planMirror(...input).map((action) => action.do);
  deepEqual(done(endpoints(), aService(), slices), gone, "a selector's pods are listed by others");
  deepEqual(done(endpoints(), undefined, slices), gone, "no Service, no endpoints");
  deepEqual(done(endpoints({}, []), SERVICE, slices), gone);
  const skipped = endpoints({ labels: { "endpointslice.kubernetes.io/skip-mirror": "true" } });
  deepEqual(done(skipped, SERVICE, slices), gone);
  deepEqual(done(endpoints({ deletionTimestamp: "2026-01-01T00:00:00Z" }), SERVICE, slices), []);
});

Deno.test("who is ready in one subset and not in another of the same ports is ready", () => {
  const ports = [{ port: 80 }];
  const both = [{ notReadyAddresses: [{ ip: "192.0.2.1" }], ports }, { addresses: [{ ip: "192.0.2.1" }], ports }];
  const actions = planMirror(endpoints({}, both), SERVICE, []);
  equal(actions.length, 1);
  deepEqual(sliceOf(actions[0]).endpoints, [{ addresses: ["192.0.2.1"], conditions: { ready: true } }]);
});
