import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { controllerOf, type Pod } from "@k3ts/model/objects";
import { aPod, aReplicaSet } from "@k3ts/model/testing";
import { planReplicaSet, type ReplicaSetAction } from "./plan.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const OTHER = { metadata: { name: "other", uid: "uid-of-other" } };
const OURS = { app: "demo" };

Deno.test("a set with too few pods creates the missing ones", () => {
  const plan = planReplicaSet(aReplicaSet({ replicas: 3 }), [aPod({ ready: true })], NOW);
  deepEqual(plan.actions, [{ do: "create", count: 2 }]);
});

Deno.test("a failed pod is not a replica", () => {
  const plan = planReplicaSet(aReplicaSet({ replicas: 1 }), [aPod({ phase: "Failed" })], NOW);
  deepEqual(plan.actions, [{ do: "create", count: 1 }]);
});

Deno.test("a pod on its way out is not a replica", () => {
  const plan = planReplicaSet(
    aReplicaSet({ replicas: 1 }),
    [aPod({ ready: true, deleted: "2026-01-01T00:00:00Z" })],
    NOW,
  );
  deepEqual(plan.actions, [{ do: "create", count: 1 }]);
  deepEqual([plan.status.replicas, plan.status.terminatingReplicas], [0, 1]);
});

Deno.test("a pod without a node goes before a pod that serves", () => {
  const serving = aPod({ name: "a", node: "n1", ready: true });
  const waiting = aPod({ name: "b" });
  const plan = planReplicaSet(aReplicaSet({ replicas: 1 }), [serving, waiting], NOW);
  deepEqual(plan.actions, [{ do: "delete", pod: waiting, because: "it has no node yet" }]);
});

Deno.test("of pods that serve the cheapest goes first, then the youngest", () => {
  const dear = aPod({
    name: "a",
    node: "n1",
    ready: true,
    readySince: NOW - 1_000,
    annotations: { "controller.kubernetes.io/pod-deletion-cost": "10" },
  });
  const old = aPod({ name: "b", node: "n2", ready: true, readySince: NOW - 1_000_000 });
  const young = aPod({ name: "c", node: "n3", ready: true, readySince: NOW - 1_000 });
  const deleted = (replicas: number) =>
    planReplicaSet(aReplicaSet({ replicas }), [dear, old, young], NOW).actions.map((action) =>
      "pod" in action ? action.pod.metadata.name : action.do
    );
  deepEqual(deleted(2), ["c"]);
  deepEqual(deleted(1), ["c", "b"]);
});

Deno.test("a pod that no longer matches is released and replaced", () => {
  const stray = aPod({ ready: true, labels: { app: "other" } });
  const plan = planReplicaSet(aReplicaSet({ replicas: 1 }), [stray], NOW);
  deepEqual(plan.actions, [{ do: "release", pod: stray }, { do: "create", count: 1 }]);
});

Deno.test("a pod that matches and has no controller is adopted, unless it has ended", () => {
  const orphan = aPod({ ready: true, owner: null });
  const ended = aPod({ phase: "Succeeded", owner: null });
  const plan = planReplicaSet(aReplicaSet({ replicas: 1 }), [orphan, ended], NOW);
  deepEqual(plan.actions, [{ do: "adopt", pod: orphan }]);
});

Deno.test("a set on its way out neither makes, deletes nor adopts", () => {
  const set = aReplicaSet({ replicas: 5, deleted: "2026-01-01T00:00:00Z" });
  deepEqual(planReplicaSet(set, [aPod({ ready: true }), aPod({ owner: null })], NOW).actions, []);
});

Deno.test("a ready pod counts as available only after minReadySeconds", () => {
  const pod = aPod({ ready: true, readySince: NOW - 4_000 });
  const plan = planReplicaSet(aReplicaSet({ replicas: 1, minReadySeconds: 10 }), [pod], NOW);
  const { replicas, readyReplicas, availableReplicas } = plan.status;
  deepEqual([replicas, readyReplicas, availableReplicas], [1, 1, 0]);
  equal(plan.reconsiderAt, NOW + 6_000);
});

Deno.test("whatever the pods are, following the plan ends at the wanted number and then rests", () => {
  fc.assert(fc.property(fc.nat(20), fc.array(arbitraryPod()), (replicas, pods) => {
    const set = aReplicaSet({ replicas });
    const after = follow(pods, planReplicaSet(set, pods, NOW).actions);
    const rest = planReplicaSet(set, after, NOW);
    deepEqual(rest.actions, []);
    equal(rest.status.replicas, replicas);
  }));
});

Deno.test("half a plan does no harm: the next one goes on from there", () => {
  fc.assert(fc.property(fc.nat(10), fc.array(arbitraryPod()), fc.nat(), (replicas, pods, done) => {
    const set = aReplicaSet({ replicas });
    const { actions } = planReplicaSet(set, pods, NOW);
    let now = follow(pods, actions.slice(0, done % (actions.length + 1)));
    now = follow(now, planReplicaSet(set, now, NOW).actions);
    equal(planReplicaSet(set, now, NOW).status.replicas, replicas);
    deepEqual(planReplicaSet(set, now, NOW).actions, []);
  }));
});

Deno.test("a plan never touches a pod that another controller owns", () => {
  fc.assert(fc.property(fc.nat(5), fc.array(arbitraryPod()), (replicas, pods) => {
    const set = aReplicaSet({ replicas });
    for (const action of planReplicaSet(set, pods, NOW).actions) {
      if ("pod" in action) ok((controllerOf(action.pod)?.uid ?? set.metadata.uid) === set.metadata.uid);
    }
  }));
});

Deno.test("a plan does not depend on the order in which pods are seen", () => {
  fc.assert(fc.property(fc.nat(5), fc.array(arbitraryPod(), { maxLength: 8 }), (replicas, pods) => {
    const set = aReplicaSet({ replicas });
    const names = (seen: Pod[]) =>
      planReplicaSet(set, seen, NOW).actions.map((action) =>
        "pod" in action ? `${action.do} ${action.pod.metadata.name}` : `${action.do} ${action.count}`
      ).sort();
    deepEqual(names(pods.toReversed()), names(pods));
  }));
});

let made = 0;

function arbitraryPod(): fc.Arbitrary<Pod> {
  return fc.record({
    owner: fc.constantFrom(undefined, undefined, null, OTHER),
    labels: fc.constantFrom(OURS, OURS, { app: "other" }),
    phase: fc.constantFrom("Pending", "Running", "Succeeded", "Failed"),
    ready: fc.boolean(),
    deleted: fc.constantFrom(undefined, undefined, undefined, "2026-01-01T00:00:00Z"),
    node: fc.constantFrom(undefined, "n1", "n2"),
    restarts: fc.nat(3),
    age: fc.nat(100_000),
  }).map(({ ready, phase, age, ...rest }) =>
    aPod({
      ...rest,
      name: `pod-${made++}`,
      phase: phase as "Running",
      readySince: NOW - age,
      ...(phase === "Running" && { ready }),
    })
  );
}

/** What the pods are after the actions were carried out. */
function follow(pods: readonly Pod[], actions: readonly ReplicaSetAction[]): Pod[] {
  let next = [...pods];
  for (const action of actions) {
    if (action.do === "create") {
      next.push(...Array.from({ length: action.count }, () => aPod({ name: `pod-${made++}` })));
    } else if (action.do === "delete") next = next.filter((pod) => !isSame(pod, action.pod));
    else {
      const owner = action.do === "adopt" ? undefined : null;
      const { name, labels } = action.pod.metadata;
      const ownerReferences = aPod({ owner }).metadata.ownerReferences;
      next = next.map((pod) =>
        isSame(pod, action.pod) ? { ...pod, metadata: { ...pod.metadata, name, labels, ownerReferences } } : pod
      );
    }
  }
  return next;
}

function isSame(a: Pod, b: Pod): boolean {
  return a.metadata.name === b.metadata.name;
}
