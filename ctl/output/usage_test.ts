import { deepEqual as assertEquals } from "node:assert/strict";
import { nodeRows, podRows } from "./usage.ts";

const usage = (cpu: string, memory: string) => ({ cpu, memory });
const pod = (name: string, ...containers: [string, string, string][]) => ({
  metadata: { name, namespace: "web" },
  containers: containers.map(([name, cpu, memory]) => ({ name, usage: usage(cpu, memory) })),
});
const options = { withNamespace: false, containers: false, sum: false, sortBy: undefined };

Deno.test("nodes are shown with their part of what pods may have", () => {
  const metrics = [
    { metadata: { name: "b" }, usage: usage("156340298n", "1024Ki") },
    { metadata: { name: "a" }, usage: usage("1", "3Gi") },
  ];
  const allocatable = new Map([["a", usage("4", "4Gi")]]);
  assertEquals(nodeRows(metrics, allocatable, undefined), [
    ["a", "1000m", "25%", "3072Mi", "75%"],
    ["b", "157m", "<unknown>", "1Mi", "<unknown>"],
  ]);
});

Deno.test("a pod uses what its containers do; the largest goes first where it is sorted", () => {
  const pods = [pod("a", ["x", "10m", "5Mi"], ["y", "20m", "5Mi"]), pod("b", ["x", "5m", "100Mi"])];
  assertEquals(podRows(pods, options), [["a", "30m", "10Mi"], ["b", "5m", "100Mi"]]);
  assertEquals(podRows(pods, { ...options, sortBy: "memory" })[0], ["b", "5m", "100Mi"]);
  assertEquals(podRows(pods, { ...options, containers: true, withNamespace: true })[1], [
    "web",
    "a",
    "y",
    "20m",
    "5Mi",
  ]);
  assertEquals(podRows(pods, { ...options, sum: true }).slice(2), [["", "________", "________"], ["", "35m", "110Mi"]]);
});
