import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { controllerOf, type DaemonSet, type Pod } from "@k3ts/model/objects";
import { aDaemonSet, aNode, aPod } from "@k3ts/model/testing";
import { Simulation } from "./_simulation.ts";
import { Failures } from "./failures.ts";
import { HASH, nodeOf, place, templateFor } from "./pods.ts";

const rolling = (rollingUpdate: object): Partial<DaemonSet["spec"]> => ({
  updateStrategy: { type: "RollingUpdate", rollingUpdate },
});
const NO_SCHEDULE = { key: "dedicated", value: "db", effect: "NoSchedule" } as const;
const NO_EXECUTE = { ...NO_SCHEDULE, effect: "NoExecute" } as const;

Deno.test("its template is recorded first, then every node gets its pod", () => {
  const world = new Simulation(["a", "b"]);
  deepEqual(world.plan().actions.map(({ do: what }) => what), ["record"]);
  deepEqual(world.plan().actions.map(({ do: what }) => what), ["create", "create"]);
  deepEqual(world.pods.map(nodeOf), ["a", "b"]);
  world.settle();
  const { desiredNumberScheduled, currentNumberScheduled, numberReady, numberAvailable, updatedNumberScheduled } = world
    .daemonSet.status!;
  deepEqual(
    [desiredNumberScheduled, currentNumberScheduled, numberReady, numberAvailable, updatedNumberScheduled],
    [2, 2, 2, 2, 2],
  );
  deepEqual(world.plan().actions, []);
});

Deno.test("a pod is held to its node by name, bears its troubles, and knows its revision", () => {
  const template = templateFor(
    aDaemonSet({
      annotations: { "deprecated.daemonset.template.generation": "3" },
      template: { hostNetwork: true, affinity: { podAffinity: {} }, tolerations: [{ key: "own", operator: "Exists" }] },
    }),
    "n1",
    "hash",
  );
  deepEqual(template.spec?.affinity, {
    podAffinity: {},
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchFields: [{ key: "metadata.name", operator: "In", values: ["n1"] }] }],
      },
    },
  });
  deepEqual(template.spec?.tolerations?.map(({ key, effect }) => `${key}:${effect ?? ""}`), [
    "own:",
    "node.kubernetes.io/not-ready:NoExecute",
    "node.kubernetes.io/unreachable:NoExecute",
    "node.kubernetes.io/disk-pressure:NoSchedule",
    "node.kubernetes.io/memory-pressure:NoSchedule",
    "node.kubernetes.io/pid-pressure:NoSchedule",
    "node.kubernetes.io/unschedulable:NoSchedule",
    "node.kubernetes.io/network-unavailable:NoSchedule",
  ]);
  deepEqual(template.metadata?.labels, { app: "demo", [HASH]: "hash", "pod-template-generation": "3" });
});

Deno.test("which nodes it wants follows from names, labels and taints", () => {
  const runs = (template: object, node: object) => {
    const { runs, stays } = place(aDaemonSet({ template }), aNode({ name: "a", ...node }));
    return [runs, stays];
  };
  deepEqual(runs({}, {}), [true, true]);
  deepEqual(runs({}, { unschedulable: true }), [true, true]);
  deepEqual(runs({ nodeSelector: { disk: "ssd" } }, {}), [false, false]);
  deepEqual(runs({ nodeSelector: { disk: "ssd" } }, { labels: { disk: "ssd" } }), [true, true]);
  deepEqual(runs({ nodeName: "b" }, {}), [false, false]);
  deepEqual(runs({}, { taints: [NO_SCHEDULE] }), [false, true]);
  deepEqual(runs({}, { taints: [NO_EXECUTE] }), [false, false]);
  deepEqual(runs({ tolerations: [{ operator: "Exists" }] }, { taints: [NO_EXECUTE] }), [true, true]);
});

Deno.test("a node that is not for it any more loses its pod, one that is only closed keeps it", () => {
  const world = new Simulation(["a", "b", "c"]);
  world.settle();
  const taint = (name: string, taints: (typeof NO_SCHEDULE | typeof NO_EXECUTE)[]) =>
    world.nodes = world.nodes.map((node) => node.metadata.name === name ? aNode({ name, taints }) : node);
  taint("a", [NO_SCHEDULE]);
  taint("b", [NO_EXECUTE]);
  world.settle();
  deepEqual(world.pods.map(nodeOf), ["a", "c"]);
  const { desiredNumberScheduled, numberMisscheduled } = world.daemonSet.status!;
  deepEqual([desiredNumberScheduled, numberMisscheduled], [1, 1]);
});

Deno.test("a pod that waits for a node that is gone goes too", () => {
  const world = new Simulation(["a", "b"]);
  world.plan();
  world.plan();
  world.nodes = world.nodes.slice(0, 1);
  deepEqual(world.plan().actions.map((action) => action.do === "delete" && nodeOf(action.pod)), ["b"]);
});

Deno.test("a pod that has ended is replaced; one that fails again and again waits longer each time", () => {
  const world = new Simulation(["a"]);
  world.settle();
  world.end(world.pods[0]!, "Failed");
  const plan = world.plan();
  deepEqual([plan.failedOn, plan.actions.map(({ do: what }) => what)], [["a"], ["tell", "delete"]]);
  world.settle();
  equal(world.serving.length, 1);
  world.end(world.pods[0]!, "Failed");
  world.waits.set("a", world.now + 5_000);
  const { actions, reconsiderAt } = world.plan();
  deepEqual([actions, reconsiderAt], [[], world.now + 5_000]);
  const failures = new Failures();
  const delays = [0, 1, 2].map(() => {
    failures.note("a", 0);
    return failures.waitMs("a", 0);
  });
  equal(failures.waitMs("a", 5_000), 0);
  deepEqual(delays, [1_000, 2_000, 4_000]);
});

Deno.test("of two pods on a node the older stays", () => {
  const world = new Simulation(["a"]);
  world.settle();
  const [pod] = world.pods as [Pod];
  const double = aPod({
    ...pod.metadata,
    name: "double",
    created: "2026-02-01T00:00:00Z",
    node: "a",
    ready: true,
    owner: {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: world.daemonSet.metadata,
    },
    uid: "double",
    labels: pod.metadata.labels!,
  });
  world.pods.push(double);
  deepEqual(world.plan().actions.map((action) => action.do === "delete" && action.pod.metadata.name), ["double"]);
});

Deno.test("with OnDelete a pod is of the new template once somebody has deleted it", () => {
  const world = new Simulation(["a", "b"], { spec: { updateStrategy: { type: "OnDelete" } } });
  world.settle();
  world.setImage("demo:2");
  world.settle();
  deepEqual([world.imagesOn("a"), world.daemonSet.status?.updatedNumberScheduled], [["demo:1"], undefined]);
  world.pods = world.pods.filter((pod) => nodeOf(pod) !== "a");
  world.settle();
  deepEqual([world.imagesOn("a"), world.imagesOn("b")], [["demo:2"], ["demo:1"]]);
});

Deno.test("revisions are numbered, brought back with a new number, and forgotten beyond those that are kept", () => {
  const world = new Simulation(["a"], { spec: { revisionHistoryLimit: 2 } });
  for (const image of ["demo:1", "demo:2", "demo:3", "demo:1"]) {
    world.setImage(image);
    world.settle();
  }
  const numbers = () => world.revisions.map(({ revision }) => revision).sort();
  deepEqual(numbers(), [2, 3, 4]);
  world.setImage("demo:4");
  world.settle();
  deepEqual(numbers(), [3, 4, 5]);
  const template = (world.revisions[0]!.data as { spec: { template: Record<string, unknown> } }).spec.template;
  equal(template["$patch"], "replace");
});

Deno.test("a name that is taken by another template is counted as a collision, and another one is made", () => {
  const world = new Simulation(["a"]);
  const hash = new Simulation(["a"]);
  hash.plan();
  const other = { ...hash.revisions[0]!, data: { spec: {} } };
  world.revisions = [{ ...other, metadata: { ...other.metadata, ownerReferences: [], labels: {} } }];
  world.plan();
  equal(world.daemonSet.status?.collisionCount, 1);
  world.plan();
  deepEqual(world.revisions.length, 2);
  ok(controllerOf(world.revisions[1]!)?.uid === world.daemonSet.metadata.uid);
});

Deno.test("a pod counts as available once it has been ready for long enough", () => {
  const world = new Simulation(["a"], { spec: { minReadySeconds: 10 } });
  world.plan();
  world.plan();
  world.setReady(world.pods[0]!);
  const { reconsiderAt } = world.plan();
  deepEqual([world.daemonSet.status?.numberReady, world.daemonSet.status?.numberUnavailable], [1, 1]);
  equal(reconsiderAt, world.now + 10_000);
  world.now += 10_000;
  world.plan();
  equal(world.daemonSet.status?.numberAvailable, 1);
});

const moves = fc.array(fc.record({ plan: fc.boolean(), which: fc.nat(20) }), { minLength: 20, maxLength: 120 });

Deno.test("no more nodes than allowed are without a pod that serves while it is replaced, in whatever order", () => {
  const strategy = fc.oneof(fc.integer({ min: 1, max: 3 }), fc.constantFrom("10%", "50%"));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), strategy, moves, (count, maxUnavailable, steps) => {
      const world = new Simulation(count, { spec: rolling({ maxUnavailable, maxSurge: 0 }) });
      world.settle();
      world.setImage("demo:2");
      const share = typeof maxUnavailable === "string" ? parseInt(maxUnavailable) / 100 * count : maxUnavailable;
      for (const { plan, which } of steps) {
        if (plan) world.plan();
        else world.movePod(world.pods[which % world.pods.length]);
        ok(world.serving.length >= count - Math.ceil(share), `${world.serving.length} of ${count} serve`);
        for (const { metadata } of world.nodes) ok(world.imagesOn(metadata.name).length <= 1, "one pod a node");
      }
      world.settle();
      ok(world.serving.every(({ spec }) => spec.containers[0]!.image === "demo:2"));
      equal(world.daemonSet.status?.updatedNumberScheduled, count);
    }),
    { numRuns: 200 },
  );
});

Deno.test("with surge no node is ever without a pod that serves, and no more than allowed have two", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 3 }), moves, (count, maxSurge, steps) => {
      const world = new Simulation(count, { spec: rolling({ maxUnavailable: 0, maxSurge }) });
      world.settle();
      world.setImage("demo:2");
      for (const { plan, which } of steps) {
        if (plan) world.plan();
        else world.movePod(world.pods[which % world.pods.length]);
        const nodes = new Set(world.serving.map(nodeOf));
        equal(nodes.size, count, "every node serves");
        const staying = world.pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
        ok(staying.length <= count + maxSurge, `${staying.length} pods on ${count} nodes`);
      }
      world.settle();
      ok(world.serving.every(({ spec }) => spec.containers[0]!.image === "demo:2"));
    }),
    { numRuns: 200 },
  );
});

Deno.test("a template that does not start stops the rollout where it may be missing, and a good one goes on", () => {
  const world = new Simulation(5, { spec: rolling({ maxUnavailable: 2, maxSurge: 0 }) });
  world.settle();
  world.setImage("bad:1");
  world.settle(({ spec }) => spec.containers[0]!.image !== "bad:1");
  equal(world.serving.length, 3);
  world.setImage("demo:2");
  world.settle();
  deepEqual([world.serving.length, new Set(world.pods.map(({ spec }) => spec.containers[0]!.image))], [
    5,
    new Set(["demo:2"]),
  ]);
});
