import { deepEqual as assertEquals, throws } from "node:assert/strict";
import { type Exposed, portsOf, selectorOf } from "./expose.ts";
import { refuseOverwriting, splitChanges } from "./label.ts";
import { imagePatch } from "./set.ts";

Deno.test("words with an equals sign or a minus at their end are changes", () => {
  assertEquals(splitChanges(["pods", "a", "x=1", "y-", "z="]), {
    targets: ["pods", "a"],
    changes: { x: "1", y: null, z: "" },
  });
  assertEquals(splitChanges(["pod/a"]), { targets: ["pod/a"], changes: {} });
  throws(() => splitChanges(["pods", "x=1", "a"]), /"a" stands behind/);
  throws(() => splitChanges(["pods", "=1"]), /A name must stand before/);
  throws(() => splitChanges(["pods", "x=1", "x-"]), /"x" is named twice/);
});

Deno.test("what is there is not overwritten unless that is wished", () => {
  refuseOverwriting("pod/a", { x: "1" }, { x: "1", y: "2" });
  refuseOverwriting("pod/a", { x: "1" }, { x: null });
  throws(() => refuseOverwriting("pod/a", { x: "1" }, { x: "2" }), /pod\/a already has x=1/);
});

Deno.test("images are set by the names of containers, or for all", () => {
  const spec = {
    containers: [{ name: "a", image: "1" }, { name: "b", image: "1" }],
    initContainers: [{ name: "i", image: "1" }],
  };
  const deployment = { metadata: { name: "web" }, spec: { template: { spec } } } as unknown as Parameters<
    typeof imagePatch
  >[1];
  assertEquals(imagePatch("web", deployment, new Map([["b", "2"]])), {
    spec: { template: { spec: { containers: [{ name: "b", image: "2" }] } } },
  });
  assertEquals(imagePatch("p", { metadata: {}, spec } as typeof deployment, new Map([["*", "2"]])), {
    spec: {
      containers: [{ name: "a", image: "2" }, { name: "b", image: "2" }],
      initContainers: [{ name: "i", image: "2" }],
    },
  });
  throws(() => imagePatch("web", deployment, new Map([["c", "2"]])), /no container "c": it has a, b, i/);
});

Deno.test("a Service finds pods by labels, and has the ports of the containers where none is named", () => {
  const options = { protocol: "TCP" };
  const workload = {
    metadata: { name: "web" },
    spec: {
      selector: { matchLabels: { app: "web" } },
      template: {
        spec: { containers: [{ name: "c", ports: [{ containerPort: 80 }, { containerPort: 53, protocol: "UDP" }] }] },
      },
    },
  } as unknown as Exposed;
  assertEquals(selectorOf("web", "Deployment", workload), { app: "web" });
  assertEquals(portsOf("web", workload, options), [
    { name: "port-80", port: 80, protocol: "TCP", targetPort: 80 },
    { name: "port-53", port: 53, protocol: "UDP", targetPort: 53 },
  ]);
  assertEquals(portsOf("web", workload, { ...options, port: "8080", targetPort: "http" }), [
    { port: 8080, protocol: "TCP", targetPort: "http" },
  ]);
  throws(() => portsOf("web", workload, { ...options, port: "0" }), /--port must be from 1/);
  throws(
    () => portsOf("pod/p", { metadata: {}, spec: { containers: [{ name: "c" }] } } as Exposed, options),
    /does not say/,
  );
  throws(() => selectorOf("pod/p", "Pod", { metadata: { name: "p" } }), /has no labels/);
  const expressions = { spec: { selector: { matchLabels: {}, matchExpressions: [{ key: "a", operator: "Exists" }] } } };
  throws(() => selectorOf("web", "Deployment", { ...workload, ...expressions } as Exposed), /by expressions/);
});
