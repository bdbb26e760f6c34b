import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import type { Endpoint, EndpointSlice, Pod, Service } from "@k3ts/model/objects";
import { aPod, aService } from "@k3ts/model/testing";
import { planEndpointSlices, SERVICE_NAME, type SliceAction } from "./plan.ts";

const SERVICE = aService({ ports: [{ name: "http", protocol: "TCP", port: 80, targetPort: 8080 }] });

Deno.test("each ready pod is an endpoint at the port where it serves", () => {
  const slices = follow([], SERVICE, [pod(1)]);
  equal(slices.length, 1);
  deepEqual(slices[0]!.ports, [{ name: "http", protocol: "TCP", port: 8080 }]);
  deepEqual(slices[0]!.endpoints?.map(({ addresses, conditions }) => ({ addresses, conditions })), [
    { addresses: ["10.42.0.1"], conditions: { ready: true, serving: true, terminating: false } },
  ]);
  equal(slices[0]!.metadata.labels?.[SERVICE_NAME], "demo");
});

Deno.test("a Service without pods has one empty slice, which is used once there are some", () => {
  const empty = follow([], SERVICE, []);
  deepEqual(empty.map(({ endpoints }) => endpoints), [[]]);
  equal(follow(empty, SERVICE, [pod(1)]).length, 1);
});

Deno.test("a pod that ends gracefully still serves, but is ready for nothing new", () => {
  const going = pod(1, { deleted: "2026-01-01T00:00:00Z" });
  deepEqual(endpoints(follow([], SERVICE, [going]))[0]!.conditions, { ready: false, serving: true, terminating: true });
});

Deno.test("a Service may publish pods that are not ready: they are, but they do not serve", () => {
  const service = aService({ spec: { publishNotReadyAddresses: true } });
  const [endpoint] = endpoints(follow([], service, [pod(1, { ready: false })]));
  deepEqual(endpoint!.conditions, { ready: true, serving: false, terminating: false });
});

Deno.test("pods without an address, and pods that have ended, are no endpoints", () => {
  const pods = [pod(1, { ip: undefined }), pod(2, { phase: "Succeeded" })];
  deepEqual(endpoints(follow([], SERVICE, pods)), []);
});

Deno.test("pods that give a port's name different numbers are in different slices", () => {
  const service = aService({ ports: [{ port: 80, targetPort: "web" }] });
  const serving = (index: number, containerPort: number) =>
    pod(index, { spec: { containers: [{ name: "main", image: "a", ports: [{ name: "web", containerPort }] }] } });
  const slices = follow([], service, [serving(1, 8080), serving(2, 9090), serving(3, 8080)]);
  deepEqual(slices.map((slice) => [slice.ports?.[0]?.port, slice.endpoints?.length]).sort(), [[8080, 2], [9090, 1]]);
});

Deno.test("labels that a Service loses its slices lose too", () => {
  const labelled = follow([], aService({ labels: { team: "a" } }), [pod(1)]);
  equal(labelled[0]!.metadata.labels?.["team"], "a");
  const bare = follow(labelled, aService({ labels: {} }), [pod(1)]);
  equal(bare[0]!.metadata.labels?.["team"], undefined);
});

Deno.test("whatever comes and goes, every pod is in exactly one slice of at most 100, and then nothing changes", () => {
  fc.assert(
    fc.property(fc.array(arbitraryPods(350), { minLength: 1, maxLength: 4 }), (states) => {
      let slices: EndpointSlice[] = [];
      for (const pods of states) {
        slices = follow(slices, SERVICE, pods);
        const found = endpoints(slices).map(({ targetRef }) => targetRef!.uid!);
        deepEqual(found.toSorted(), pods.map(({ metadata }) => metadata.uid).sort());
        ok(slices.every(({ endpoints }) => (endpoints ?? []).length <= 100));
        deepEqual(planEndpointSlices(SERVICE, pods, slices), []);
      }
    }),
    { numRuns: 30 },
  );
});

Deno.test("a pod more or less changes one slice", () => {
  fc.assert(
    fc.property(arbitraryPods(250), fc.nat(250), (pods, index) => {
      const slices = follow([], SERVICE, pods);
      ok(planEndpointSlices(SERVICE, [...pods, pod(1_000)], slices).length <= 1);
      ok(planEndpointSlices(SERVICE, pods.filter((_pod, at) => at !== index), slices).length <= 1);
    }),
    { numRuns: 30 },
  );
});

function pod(index: number, options: Parameters<typeof aPod>[0] = {}): Pod {
  return aPod({ name: `pod-${index}`, ready: true, ip: `10.42.${index >> 8}.${index & 255}`, ...options });
}

function arbitraryPods(max: number): fc.Arbitrary<Pod[]> {
  return fc.uniqueArray(fc.nat(max), { maxLength: max, size: "max" }).map((indexes) => indexes.map((at) => pod(at)));
}

function endpoints(slices: readonly EndpointSlice[]): Endpoint[] {
  return slices.flatMap(({ endpoints }) => endpoints ?? []);
}

let made = 0;

/** The slices after the plan was carried out. */
function follow(slices: readonly EndpointSlice[], service: Service, pods: readonly Pod[]): EndpointSlice[] {
  return planEndpointSlices(service, pods, slices).reduce(apply, [...slices]);
}

function apply(slices: EndpointSlice[], action: SliceAction): EndpointSlice[] {
  if (action.do === "deleteSlice") return slices.filter((slice) => slice !== action.slice);
  if (action.do === "createSlice") return [...slices, sliceOf(action.slice, `slice-${++made}`)];
  return slices.map((slice) => slice === action.slice ? sliceOf(action.next, slice.metadata.name) : slice);
}

function sliceOf(
  { labels, ...rest }: Extract<SliceAction, { do: "createSlice" }>["slice"],
  name: string,
): EndpointSlice {
  return {
    metadata: { name, uid: name, resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z", labels },
    ...rest,
  };
}
