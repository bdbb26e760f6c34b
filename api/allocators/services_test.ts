import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import type { ObjectData } from "../registry/stored_object.ts";
import { refusal } from "../testing/refusal.ts";
import { AddressRange, pickFree } from "./ranges.ts";
import { SERVICE_RANGES, ServiceAllocator } from "./services.ts";

interface Service extends ObjectData {
  spec: { type?: string; clusterIP?: string; ports?: { port: number; nodePort?: number }[] };
}

Deno.test("a range gives out neither its first nor its last address", () => {
  const range = new AddressRange("10.43.0.0/29");
  equal(range.capacity, 6);
  deepEqual([range.at(1), range.at(6)], ["10.43.0.1", "10.43.0.6"]);
  deepEqual([range.offsetOf("10.43.0.0"), range.offsetOf("10.43.0.7"), range.offsetOf("10.43.0.6")], [
    undefined,
    undefined,
    6,
  ]);
  throws(() => new AddressRange("10.43.0.0/33"), RangeError);
});

Deno.test("whatever is taken, what is picked is free, and nothing is picked only when nothing is free", () => {
  fc.assert(fc.property(fc.uniqueArray(fc.nat(9)), fc.double({ min: 0, max: 0.999, noNaN: true }), (taken, random) => {
    const picked = pickFree(0, 9, (candidate) => taken.includes(candidate), () => random);
    equal(picked === undefined, taken.length === 10);
    ok(picked === undefined || !taken.includes(picked));
  }));
});

Deno.test("every Service has an address of its own until the range is empty, and reserved ones are for the system", () => {
  const allocator = make("10.43.0.0/28", ["10.43.0.1", "10.43.0.10"]);
  const addresses = new Set<string>();
  for (let index = 0; index < 12; index++) addresses.add(add(allocator, service(`s${index}`)).spec.clusterIP!);
  equal(addresses.size, 12);
  ok(!addresses.has("10.43.0.1") && !addresses.has("10.43.0.10"));
  throws(() => add(allocator, service("more")), refusal(500));
  for (const clusterIP of ["10.43.0.1", "10.43.0.10"]) {
    throws(() => add(allocator, service("thief", { clusterIP })), refusal(422));
  }
  const dns = service("dns", { clusterIP: "10.43.0.10" });
  dns.metadata.namespace = "kube-system";
  equal(add(allocator, dns).spec.clusterIP, "10.43.0.10");
  equal(add(allocator, service("kubernetes", { clusterIP: "10.43.0.1" })).spec.clusterIP, "10.43.0.1");
});

Deno.test("an address that is taken, or outside of the range, is refused; a deleted Service gives its own back", () => {
  const allocator = make();
  const first = add(allocator, service("a", { clusterIP: "10.43.5.5" }));
  throws(() => add(allocator, service("b", { clusterIP: "10.43.5.5" })), refusal(422));
  throws(() => add(allocator, service("b", { clusterIP: "10.99.0.1" })), refusal(422));
  allocator.observe(undefined, first);
  equal(add(allocator, service("b", { clusterIP: "10.43.5.5" })).spec.clusterIP, "10.43.5.5");
});

Deno.test("a headless Service needs no address, an external name has none", () => {
  const allocator = make();
  equal(add(allocator, service("a", { clusterIP: "None" })).spec.clusterIP, "None");
  equal(add(allocator, service("b", { type: "ExternalName" })).spec.clusterIP, undefined);
});

Deno.test("node ports are given out, kept by updates, refused when taken, and given back with the type", () => {
  const allocator = make();
  const made = add(allocator, service("a", { type: "NodePort", ports: [{ port: 80 }, { port: 81 }] }));
  const ports = made.spec.ports!.map(({ nodePort }) => nodePort!);
  ok(ports[0] !== ports[1] && ports.every((port) => port >= 30000 && port <= 32767));
  throws(
    () => add(allocator, service("b", { type: "NodePort", ports: [{ port: 80, nodePort: ports[0]! }] })),
    refusal(422),
  );
  throws(() => add(allocator, service("b", { type: "NodePort", ports: [{ port: 80, nodePort: 80 }] })), refusal(422));
  const updated = service("a", { type: "NodePort", ports: [{ port: 80 }, { port: 81 }] });
  allocator.assign(updated, made);
  deepEqual(updated.spec.ports!.map(({ nodePort }) => nodePort), ports);
  const plain = service("a", { type: "ClusterIP", ports: [{ port: 80, nodePort: ports[0]! }] });
  allocator.assign(plain, made);
  allocator.observe(plain, made);
  equal(plain.spec.ports![0]!.nodePort, undefined);
  add(allocator, service("b", { type: "NodePort", ports: [{ port: 80, nodePort: ports[0]! }] }));
});

function make(addresses = SERVICE_RANGES.addresses, reserved = SERVICE_RANGES.reserved) {
  let state = 1;
  return new ServiceAllocator({ ...SERVICE_RANGES, addresses, reserved }, () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  });
}

function add(allocator: ServiceAllocator, next: Service): Service {
  allocator.assign(next, undefined);
  allocator.observe(next, undefined);
  return next;
}

function service(name: string, spec: Service["spec"] = {}): Service {
  return { metadata: { name, namespace: "default" }, spec: { type: "ClusterIP", ports: [], ...spec } };
}
