import { deepEqual as assertEquals, equal } from "node:assert/strict";
import { formatTime, type Node, type Pod } from "@k3ts/model/objects";
import { planGc, QUARANTINE_MS } from "./plan.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const NONE: ReadonlyMap<string, number> = new Map();

function node(name: string, status = "True", taints: { key: string; effect: string }[] = []): Node {
  return { metadata: { name }, spec: { taints }, status: { conditions: [{ type: "Ready", status }] } } as Node;
}

function pod(name: string, nodeName?: string, more: { leaving?: boolean; phase?: string; created?: number } = {}): Pod {
  return {
    metadata: {
      name,
      uid: name,
      creationTimestamp: formatTime(more.created ?? NOW),
      ...(more.leaving && { deletionTimestamp: formatTime(NOW) }),
    },
    spec: { ...(nodeName !== undefined && { nodeName }) },
    status: { phase: more.phase ?? "Running" },
  } as Pod;
}

const names = (pods: Pod[]) => pods.map(({ metadata }) => metadata.name);

Deno.test("pods of a node that is no more are removed, when it has been missing for a while and the server says so", () => {
  const pods = [pod("a", "n1"), pod("b", "gone")];
  const first = planGc(pods, [node("n1")], NONE, new Set(), NOW);
  assertEquals([first.ask, first.orphaned], [[], []]);
  const later = planGc(pods, [node("n1")], first.missing, new Set(), NOW + QUARANTINE_MS);
  assertEquals([later.ask, later.orphaned], [["gone"], []]);
  assertEquals(names(planGc(pods, [node("n1")], first.missing, new Set(["gone"]), NOW + QUARANTINE_MS).orphaned), [
    "b",
  ]);
  // One that is back begins anew.
  const back = planGc(pods, [node("n1"), node("gone")], first.missing, new Set(), NOW + QUARANTINE_MS);
  equal(back.missing.size, 0);
});

Deno.test("a pod that was to go before it had a node, or from a node that does not come back, is removed", () => {
  const out = [{ key: "node.kubernetes.io/out-of-service", effect: "NoExecute" }];
  const nodes = [node("n1"), node("dead", "Unknown", out), node("well", "True", out), node("silent", "Unknown")];
  const pods = [
    pod("waits"),
    pod("unbound", undefined, { leaving: true }),
    pod("on-dead", "dead", { leaving: true }),
    pod("stays-on-dead", "dead"),
    pod("on-well", "well", { leaving: true }),
    pod("on-silent", "silent", { leaving: true }),
  ];
  const { orphaned, others } = planGc(pods, nodes, NONE, new Set(), NOW);
  assertEquals([names(orphaned), names(others)], [[], ["unbound", "on-dead"]]);
});

Deno.test("of too many pods that have ended the oldest are removed", () => {
  const ended = Array.from(
    { length: 12_502 },
    (_, at) => pod(`p${at}`, "n1", { phase: "Succeeded", created: NOW - at * 1000 }),
  );
  assertEquals(names(planGc(ended, [node("n1")], NONE, new Set(), NOW).others), ["p12501", "p12500"]);
});
