import { deepEqual, equal, match, ok } from "node:assert/strict";
import fc from "fast-check";
import type { Node, Pod } from "@k3ts/model/objects";
import { aNode, aPod } from "@k3ts/model/testing";
import { FILTERS } from "./filters.ts";
import { place } from "./plan.ts";
import { allocatableOf, requestsOf, sum } from "./resources.ts";

const NEVER = { key: "dedicated", value: "db", effect: "NoSchedule" } as const;

Deno.test("a pod goes where there is room", () => {
  const full = aNode({ name: "a", allocatable: { cpu: "1", memory: "1Gi", pods: "10" } });
  const free = aNode({ name: "b", allocatable: { cpu: "1", memory: "1Gi", pods: "10" } });
  const taken = aPod({ node: "a", requests: { cpu: "900m" } });
  deepEqual(place(aPod({ requests: { cpu: "200m" } }), [full, free], [taken]), { node: "b" });
});

Deno.test("a pod that fits nowhere is told why, node by node", () => {
  const nodes = [
    aNode({ name: "a", allocatable: { cpu: "1", memory: "1Gi", pods: "10" } }),
    aNode({ name: "b", unschedulable: true }),
    aNode({ name: "c", taints: [NEVER] }),
    aNode({ name: "d", ready: false }),
  ];
  deepEqual(place(aPod({ requests: { cpu: "2" } }), nodes, []), {
    reason: "0/4 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint " +
      "{dedicated: db}, 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }, 1 node(s) were unschedulable.",
  });
});

Deno.test("a tainted node takes only what tolerates it", () => {
  const node = aNode({ name: "a", taints: [NEVER] });
  ok("reason" in place(aPod(), [node], []));
  for (
    const toleration of [{ key: "dedicated", value: "db" }, { key: "dedicated", operator: "Exists" }, {
      operator: "Exists",
    }]
  ) {
    deepEqual(place(aPod({ spec: { tolerations: [toleration as never] } }), [node], []), { node: "a" });
  }
});

Deno.test("a node selector, and a required affinity, leave no choice", () => {
  const nodes = [aNode({ name: "a" }), aNode({ name: "b", labels: { disk: "ssd" } })];
  deepEqual(place(aPod({ spec: { nodeSelector: { disk: "ssd" } } }), nodes, []), { node: "b" });
  const required = (key: string, operator: "In" | "DoesNotExist", values?: string[]) => ({
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key, operator, ...(values && { values }) }] }],
        },
      },
    },
  });
  deepEqual(place(aPod({ spec: required("disk", "In", ["ssd"]) }), nodes, []), { node: "b" });
  deepEqual(place(aPod({ spec: required("disk", "DoesNotExist") }), nodes, []), { node: "a" });
});

Deno.test("a port of a node is given away once, unless the addresses differ", () => {
  const on = (hostIP?: string) => ({
    containers: [{ name: "main", image: "a", ports: [{ containerPort: 80, hostPort: 80, ...(hostIP && { hostIP }) }] }],
  });
  const nodes = [aNode({ name: "a" })];
  const taken = [aPod({ node: "a", spec: { ...on("127.0.0.1"), nodeName: "a" } })];
  deepEqual(place(aPod({ spec: on("127.0.0.2") }), nodes, taken), { node: "a" });
  const refused = place(aPod({ spec: on() }), nodes, taken);
  match("reason" in refused ? refused.reason : "", /free ports/);
});

Deno.test("pods of one kind spread over nodes that are alike", () => {
  const nodes = [aNode({ name: "a" }), aNode({ name: "b" }), aNode({ name: "c" })];
  const counts = new Map<string, number>();
  let bound: Pod[] = [];
  for (let index = 0; index < 9; index++) {
    const placement = place(aPod({ requests: { cpu: "100m" } }), nodes, bound);
    ok("node" in placement);
    counts.set(placement.node, (counts.get(placement.node) ?? 0) + 1);
    bound = [...bound, aPod({ node: placement.node, requests: { cpu: "100m" } })];
  }
  deepEqual([...counts.values()], [3, 3, 3]);
});

Deno.test("a kind that must be spread evenly goes where there is least of it, or nowhere", () => {
  const zoned = (name: string, zone: string) => aNode({ name, labels: { zone } });
  const nodes = [zoned("a1", "a"), zoned("a2", "a"), zoned("b1", "b"), aNode({ name: "none" })];
  const topologySpreadConstraints = [{
    maxSkew: 1,
    topologyKey: "zone",
    whenUnsatisfiable: "DoNotSchedule" as const,
    labelSelector: { matchLabels: { app: "demo" } },
  }];
  const pod = aPod({ spec: { topologySpreadConstraints } });
  const on = (node: string) => aPod({ node });
  deepEqual(place(pod, nodes, [on("a1")]), { node: "b1" });
  const closed = nodes.map((node) => node.metadata.name === "b1" ? { ...node, spec: { unschedulable: true } } : node);
  deepEqual(place(pod, closed, [on("a1")]), {
    reason:
      "0/4 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label), " +
      "1 node(s) were unschedulable, 2 node(s) didn't match pod topology spread constraints.",
  });
  const anyway = topologySpreadConstraints.map((each) => ({ ...each, whenUnsatisfiable: "ScheduleAnyway" as const }));
  const preferring = aPod({ spec: { topologySpreadConstraints: anyway } });
  deepEqual(place(preferring, nodes.slice(0, 3), [on("a1"), on("a2")]), { node: "b1" });
  ok("node" in place(preferring, closed, [on("a1")]));
});

Deno.test("pods that want to be together or apart are, by zone, and the first of a group may go anywhere", () => {
  const nodes = [
    aNode({ name: "a", labels: { zone: "1" } }),
    aNode({ name: "b", labels: { zone: "1" } }),
    aNode({
      name: "c",
      labels: { zone: "2" },
    }),
  ];
  const term = { labelSelector: { matchLabels: { app: "demo" } }, topologyKey: "zone" };
  const required = { requiredDuringSchedulingIgnoredDuringExecution: [term] };
  const together = aPod({ spec: { affinity: { podAffinity: required } } });
  const apart = aPod({ spec: { affinity: { podAntiAffinity: required } } });
  const there = aPod({ node: "a" });
  deepEqual(place(together, nodes, []), { node: "a" });
  deepEqual(place(together, nodes, [aPod({ node: "c" })]), { node: "c" });
  deepEqual(place(apart, nodes, [there]), { node: "c" });
  const refused = place(apart, nodes.slice(0, 2), [there]);
  match("reason" in refused ? refused.reason : "", /2 node\(s\) didn't match pod anti-affinity rules/);
  const guarded = { ...apart, spec: { ...apart.spec, nodeName: "a" } };
  const kept = place(aPod(), nodes.slice(0, 2), [guarded]);
  match("reason" in kept ? kept.reason : "", /didn't satisfy existing pods anti-affinity rules/);
  const elsewhere = aPod({ node: "a", namespace: "other" });
  ok("node" in place(apart, nodes.slice(0, 1), [elsewhere]), "another namespace is not meant");
  const everywhere = { ...term, namespaceSelector: {} };
  const alone = aPod({
    spec: { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [everywhere] } } },
  });
  ok("reason" in place(alone, nodes.slice(0, 1), [elsewhere]));
  const preferred = { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: term }] };
  deepEqual(place(aPod({ spec: { affinity: { podAntiAffinity: preferred } } }), nodes, [there]), { node: "c" });
});

Deno.test("no node is ever given more than it has, and no pod goes where it may not", () => {
  fc.assert(fc.property(arbitraryNodes(), fc.array(arbitraryPod(), { maxLength: 25 }), (nodes, pods) => {
    let bound: Pod[] = [];
    for (const pod of pods) {
      const placement = place(pod, nodes, bound);
      if (!("node" in placement)) continue;
      const node = nodes.find(({ metadata }) => metadata.name === placement.node)!;
      ok(node.spec?.unschedulable !== true || pod.spec.tolerations !== undefined);
      ok((node.spec?.taints ?? []).length === 0 || pod.spec.tolerations !== undefined);
      for (const [key, value] of Object.entries(pod.spec.nodeSelector ?? {})) equal(node.metadata.labels?.[key], value);
      bound = [...bound, { ...pod, spec: { ...pod.spec, nodeName: placement.node } }];
    }
    for (const node of nodes) {
      const own = bound.filter(({ spec }) => spec.nodeName === node.metadata.name);
      const allocatable = allocatableOf(node);
      ok(own.length <= allocatable["pods"]!);
      for (const [name, amount] of Object.entries(sum(own.map(requestsOf)))) ok(amount <= allocatable[name]!, name);
    }
  }));
});

Deno.test("a pod is refused only where every node has a reason", () => {
  fc.assert(fc.property(arbitraryNodes(), arbitraryPod(), (nodes, pod) => {
    const placement = place(pod, nodes, []);
    const fitting = nodes.filter((node) => {
      const load = { node, allocatable: allocatableOf(node), requested: {}, pods: 0, hostPorts: [] };
      return FILTERS.every((filter) => filter(pod, load).length === 0);
    });
    equal("node" in placement, fitting.length > 0);
  }));
});

Deno.test("the same cluster gives the same answer, in whatever order it is seen", () => {
  fc.assert(fc.property(arbitraryNodes(), arbitraryPod(), (nodes, pod) => {
    deepEqual(place(pod, nodes.toReversed(), []), place(pod, nodes, []));
  }));
});

Deno.test("init containers run one after the other, beside the sidecars before them", () => {
  const container = (cpu: string, restartPolicy?: string) => ({
    name: cpu,
    image: "a",
    resources: { requests: { cpu } },
    ...(restartPolicy && { restartPolicy }),
  });
  const pod = aPod({
    spec: {
      containers: [container("100m")],
      initContainers: [container("50m", "Always"), container("400m"), container("20m", "Always")],
    },
  });
  deepEqual(requestsOf(pod), { cpu: 450 });
});

function arbitraryNodes(): fc.Arbitrary<Node[]> {
  const node = fc.record({
    cpu: fc.integer({ min: 1, max: 4 }),
    pods: fc.integer({ min: 1, max: 6 }),
    ssd: fc.boolean(),
    tainted: fc.boolean(),
    unschedulable: fc.boolean(),
  });
  return fc.array(node, { minLength: 1, maxLength: 5 }).map((nodes) =>
    nodes.map(({ cpu, pods, ssd, tainted, unschedulable }, index) =>
      aNode({
        name: `node-${index}`,
        allocatable: { cpu: String(cpu), memory: "1Gi", pods: String(pods) },
        ...(ssd && { labels: { disk: "ssd" } }),
        ...(tainted && { taints: [NEVER] }),
        unschedulable,
      })
    )
  );
}

function arbitraryPod(): fc.Arbitrary<Pod> {
  return fc.record({ cpu: fc.integer({ min: 0, max: 3_000 }), ssd: fc.boolean(), tolerant: fc.boolean() }).map((
    options,
  ) =>
    aPod({
      requests: { cpu: `${options.cpu}m`, memory: "64Mi" },
      spec: {
        ...(options.ssd && { nodeSelector: { disk: "ssd" } }),
        ...(options.tolerant && { tolerations: [{ operator: "Exists" as const }] }),
      },
    })
  );
}
