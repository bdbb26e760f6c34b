import { deepEqual as assertEquals, equal, match, ok as assert } from "node:assert/strict";
import type { Node } from "@k3ts/model/objects";
import fc from "fast-check";
import { type OwnPlace, planRoutes } from "./routes.ts";

const own: OwnPlace = {
  nodeName: "n1",
  nodeCidr: "10.42.0.0/24",
  podCidr: "10.42.0.0/16",
  serviceCidr: "10.43.0.0/16",
};

function node(name: string, podCIDR: string | undefined, address: string | undefined, age = 0): Node {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, uid: name, creationTimestamp: `2026-01-01T00:00:${String(30 - age).padStart(2, "0")}Z` },
    spec: podCIDR === undefined ? {} : { podCIDR },
    status: address === undefined ? {} : { addresses: [{ type: "InternalIP", address }] },
  } as Node;
}

Deno.test("each other node's range is reached by its address", () => {
  const plan = planRoutes([
    node("n1", "10.42.0.0/24", "192.0.2.1"),
    node("n3", "10.42.2.0/24", "192.0.2.3"),
    node("n2", "10.42.1.0/24", "192.0.2.2"),
  ], own);
  assertEquals(plan, {
    routes: [
      { destination: "10.42.1.0/24", gateway: "192.0.2.2" },
      { destination: "10.42.2.0/24", gateway: "192.0.2.3" },
    ],
    refused: [],
  });
});

Deno.test("a node that has just been made has no route yet, and no complaint", () => {
  const nodes = [node("n2", undefined, "192.0.2.2"), node("n3", "10.42.2.0/24", undefined)];
  assertEquals(planRoutes(nodes, own), { routes: [], refused: [] });
});

Deno.test("of two nodes that claim a range the older one has it", () => {
  const nodes = [node("n3", "10.42.1.0/24", "192.0.2.3", 1), node("n2", "10.42.1.0/24", "192.0.2.2", 2)];
  const { routes, refused } = planRoutes(nodes, own);
  assertEquals(routes, [{ destination: "10.42.1.0/24", gateway: "192.0.2.2" }]);
  match(refused[0]!, /node "n3" as its range must be its own: 10\.42\.1\.0\/24 is another node's/);
});

Deno.test("no node takes more than its part of the cluster, or points at what is no machine", () => {
  for (
    const range of [
      "0.0.0.0/0",
      "10.42.0.0/16",
      "10.42.128.0/17",
      "10.42.1.128/25",
      "192.0.2.0/24",
      "10.42.1.1/24",
      "x",
      "::/0",
    ]
  ) {
    const { routes, refused } = planRoutes([node("n2", range, "192.0.2.2")], own);
    assertEquals([routes, refused.length], [[], 1], range);
  }
  for (const address of ["10.42.3.1", "10.43.0.1", "127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255"]) {
    const { routes, refused } = planRoutes([node("n2", "10.42.1.0/24", address)], own);
    assertEquals([routes, refused.length], [[], 1], address);
  }
});

Deno.test("whatever nodes say, routes are disjoint parts of the cluster and leave this node's pods alone", () => {
  const octet = fc.integer({ min: 0, max: 255 });
  const cidr = fc.tuple(fc.constantFrom("10.42", "10.43", "10", "0.0"), octet, octet, fc.integer({ min: 0, max: 33 }))
    .map(([start, a, b, prefix]) => `${start}.${a}.${b}/${prefix}`);
  const aligned = octet.map((part) => `10.42.${part}.0/24`);
  const nodes = fc.array(fc.tuple(fc.constantFrom("n1", "n2", "n3", "n4"), fc.oneof(aligned, cidr), octet), {
    maxLength: 12,
  });
  fc.assert(fc.property(nodes, (list) => {
    const { routes } = planRoutes(list.map(([name, range, end]) => node(name, range, `192.0.2.${end}`, end % 30)), own);
    const seen = new Set<string>();
    for (const { destination } of routes) {
      assert(destination.startsWith("10.42."));
      const [base, prefix] = destination.split("/") as [string, string];
      equal(prefix, "24");
      // Each address that a test can look at stands in one route at most, and in none that is this node's.
      const [, , third, fourth] = base.split(".").map(Number) as [number, number, number, number];
      const size = 2 ** (32 - Number(prefix));
      for (let at = 0; at < size; at += Math.max(1, Math.min(size, 64))) {
        const place = third * 256 + fourth + at;
        assert(place >= 256, `${destination} is this node's own`);
        const key = `${place}`;
        equal(seen.has(key), false, destination);
        seen.add(key);
      }
    }
  }));
});
