import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import type { Deployment } from "@k3ts/model/objects";
import { Simulation } from "./_simulation.ts";
import { REVISION, REVISION_HISTORY } from "./annotations.ts";

const SECOND = 1_000;

function sizes({ sets, image }: Simulation): Record<string, number> {
  return Object.fromEntries(sets.map((set) => [image(set), set.spec?.replicas ?? 1]));
}

function rolledOut(replicas: number, spec: Partial<Deployment["spec"]> = {}): Simulation {
  const simulation = new Simulation({ replicas, image: "a", spec });
  simulation.settle();
  return simulation;
}

Deno.test("a new Deployment makes one ReplicaSet of the wanted size", () => {
  const simulation = rolledOut(3);
  deepEqual(sizes(simulation), { a: 3 });
  equal(simulation.condition("Available")?.status, "True");
  equal(simulation.condition("Progressing")?.reason, "NewReplicaSetAvailable");
  equal(simulation.deployment.metadata.annotations?.[REVISION], "1");
});

Deno.test("a complete Deployment rests", () => {
  const { actions, revision } = rolledOut(3).plan();
  deepEqual(actions, []);
  equal(revision, undefined);
});

Deno.test("another template rolls out, and the old set stays as history", () => {
  const simulation = rolledOut(4);
  simulation.setImage("b");
  simulation.settle();
  deepEqual(sizes(simulation), { a: 0, b: 4 });
  equal(simulation.deployment.metadata.annotations?.[REVISION], "2");
});

Deno.test("a revision that somebody made as large as it may be is counted on exactly, and what is none not at all", () => {
  for (
    const [given, next] of [["3546343826724305832", "3546343826724305833"], ["9223372036854775807", "1"], ["x", "1"]]
  ) {
    const simulation = rolledOut(1);
    simulation.sets[0]!.metadata.annotations![REVISION] = given!;
    simulation.setImage("b");
    simulation.settle();
    equal(simulation.deployment.metadata.annotations?.[REVISION], next);
  }
});

Deno.test("going back to an old template takes its set again, under a new revision", () => {
  const simulation = rolledOut(2);
  simulation.setImage("b");
  simulation.settle();
  simulation.setImage("a");
  simulation.settle();
  deepEqual(sizes(simulation), { a: 2, b: 0 });
  equal(simulation.sets.length, 2);
  const annotations = simulation.sets[0]!.metadata.annotations;
  deepEqual([annotations?.[REVISION], annotations?.[REVISION_HISTORY]], ["3", "1"]);
  equal(simulation.deployment.metadata.annotations?.[REVISION], "3");
});

Deno.test("a rollout that is overtaken by another one gives up its pods first", () => {
  const simulation = rolledOut(4);
  simulation.setImage("b");
  simulation.settle((image) => image === "a"); // b never starts
  ok(sizes(simulation)["b"]! > 0);
  simulation.setImage("c");
  simulation.settle((image) => image !== "b");
  deepEqual(sizes(simulation), { a: 0, b: 0, c: 4 });
});

Deno.test("only so many old revisions are kept", () => {
  const simulation = rolledOut(1, { revisionHistoryLimit: 2 });
  for (const image of ["b", "c", "d", "e"]) {
    simulation.setImage(image);
    simulation.settle();
  }
  deepEqual(sizes(simulation), { c: 0, d: 0, e: 1 });
});

Deno.test("a paused Deployment rolls nothing, but scales", () => {
  const simulation = rolledOut(2);
  simulation.edit((spec) => spec.paused = true);
  simulation.setImage("b");
  simulation.edit((spec) => spec.replicas = 5);
  simulation.settle();
  deepEqual(sizes(simulation), { a: 5 });
  equal(simulation.condition("Progressing")?.reason, "DeploymentPaused");
  simulation.edit((spec) => spec.paused = false);
  simulation.settle();
  deepEqual(sizes(simulation), { a: 0, b: 5 });
});

Deno.test("scaling in the middle of a rollout is shared out by size", () => {
  const simulation = rolledOut(10, {
    strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } },
  });
  simulation.setImage("b");
  simulation.settle((image) => image === "a");
  deepEqual(sizes(simulation), { a: 8, b: 5 });
  simulation.edit((spec) => spec.replicas = 30);
  simulation.settle((image) => image === "a");
  deepEqual(sizes(simulation), { a: 20, b: 13 });
});

Deno.test("Recreate never runs old and new at once", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 5 }), arbitrarySteps(), (replicas, steps) => {
    const simulation = rolledOut(replicas, { strategy: { type: "Recreate" } });
    simulation.setImage("b");
    for (const step of steps) {
      take(simulation, step);
      const running = simulation.sets.filter((set) => simulation.podsOf(set).length > 0).map(simulation.image);
      ok(running.length <= 1, `${running} at once`);
    }
    simulation.settle();
    deepEqual(sizes(simulation), { a: 0, b: replicas });
  }));
});

Deno.test("whatever comes first, a rollout stays within its bounds, completes, and rests", () => {
  fc.assert(
    fc.property(arbitraryRollout(), arbitrarySteps(), arbitrarySteps(), ({ replicas, spec }, first, second) => {
      const simulation = rolledOut(replicas, spec);
      const { least, most } = simulation.bounds;
      const follow = (steps: readonly Step[]) => {
        for (const step of steps) {
          take(simulation, step);
          ok(simulation.total <= most, `${simulation.total} pods where ${most} may be`);
          ok(simulation.available >= least, `${simulation.available} available where ${least} must be`);
        }
      };
      simulation.setImage("b");
      follow(first);
      simulation.setImage("c"); // rollover, however far the first has come
      follow(second);
      simulation.settle();
      equal(sizes(simulation)["c"], replicas);
      equal(simulation.total, replicas);
      equal(simulation.condition("Progressing")?.reason, "NewReplicaSetAvailable");
      deepEqual(simulation.plan().actions, []);
    }),
    { numRuns: 200 },
  );
});

Deno.test("scaling at any moment of a rollout ends at the wanted number, and never makes too many", () => {
  fc.assert(
    fc.property(
      arbitraryRollout(),
      fc.nat(12),
      arbitrarySteps(),
      arbitrarySteps(),
      ({ replicas, spec }, next, first, second) => {
        const simulation = rolledOut(replicas, spec);
        simulation.setImage("b");
        for (const step of first) take(simulation, step);
        const before = simulation.bounds.most;
        simulation.edit((spec) => spec.replicas = next);
        const most = Math.max(before, simulation.bounds.most);
        for (const step of second) {
          take(simulation, step);
          ok(simulation.total <= most, `${simulation.total} pods where ${most} may be`);
        }
        simulation.settle();
        deepEqual(sizes(simulation), next === 0 && simulation.sets.length === 1 ? { a: 0 } : { a: 0, b: next });
        deepEqual(simulation.plan().actions, []);
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("a rollout that does not move for too long has failed, and says so until it moves", () => {
  const simulation = rolledOut(2, { progressDeadlineSeconds: 10 });
  simulation.setImage("b");
  simulation.settle((image) => image === "a");
  const { reconsiderAt } = simulation.plan();
  equal(reconsiderAt, simulation.now + 10 * SECOND);
  simulation.now += 9 * SECOND;
  simulation.plan();
  equal(simulation.condition("Progressing")?.status, "True");
  simulation.now += SECOND;
  simulation.plan();
  for (let round = 0; round < 3; round++) {
    equal(simulation.condition("Progressing")?.reason, "ProgressDeadlineExceeded");
    equal(simulation.condition("Progressing")?.status, "False");
    simulation.now += SECOND;
    simulation.plan();
  }
  simulation.edit((spec) => spec.paused = true);
  simulation.plan();
  equal(simulation.condition("Progressing")?.reason, "ProgressDeadlineExceeded");
  simulation.edit((spec) => spec.paused = false);
  simulation.settle();
  equal(simulation.condition("Progressing")?.reason, "NewReplicaSetAvailable");
});

Deno.test("what is resumed has its whole deadline again, and without one nothing is said of progress", () => {
  const simulation = rolledOut(2, { progressDeadlineSeconds: 10 });
  simulation.setImage("b");
  simulation.settle((image) => image === "a");
  simulation.edit((spec) => spec.paused = true);
  simulation.plan();
  equal(simulation.condition("Progressing")?.reason, "DeploymentPaused");
  simulation.now += 100 * SECOND;
  simulation.edit((spec) => spec.paused = false);
  const { reconsiderAt } = simulation.plan();
  deepEqual([simulation.condition("Progressing")?.reason, reconsiderAt], [
    "DeploymentResumed",
    simulation.now + 10 * SECOND,
  ]);
  simulation.edit((spec) => spec.progressDeadlineSeconds = 2 ** 31 - 1);
  equal(simulation.plan().reconsiderAt, undefined);
  equal(simulation.condition("Progressing"), undefined);
});

Deno.test("history is not forgotten while a rollout may still be taken back", () => {
  const simulation = rolledOut(2, { revisionHistoryLimit: 0 });
  simulation.setImage("bad");
  simulation.settle((image) => image === "a");
  simulation.setImage("b");
  simulation.plan();
  ok(simulation.sets.some((set) => simulation.image(set) === "bad"));
  simulation.settle();
  deepEqual(simulation.sets.map((set) => simulation.image(set)), ["b"]);
});

Deno.test("pods on their way out are told of, once every set tells of its own", () => {
  const simulation = rolledOut(2);
  const tell = (terminatingReplicas: number | undefined) => {
    simulation.sets = simulation.sets.map((set) => ({
      ...set,
      status: { ...set.status!, observedGeneration: 1, terminatingReplicas },
    }));
    return simulation.plan().status.terminatingReplicas;
  };
  deepEqual([tell(3), tell(undefined)], [3, undefined]);
});

Deno.test("a pod that fails after the rollout is no rollout that could fail", () => {
  const simulation = rolledOut(2, { progressDeadlineSeconds: 10 });
  simulation.everyPod()[0]!.ready = false;
  simulation.tend(0);
  simulation.plan();
  simulation.now += 60 * SECOND;
  simulation.plan();
  equal(simulation.condition("Progressing")?.reason, "NewReplicaSetAvailable");
  equal(simulation.deployment.status?.unavailableReplicas, 1);
});

Deno.test("a set whose name is taken is made under another one", () => {
  const simulation = new Simulation({ replicas: 1, image: "a" });
  simulation.plan();
  // Somebody else has one of that name: same name, another template, another owner.
  const [taken] = simulation.sets;
  simulation.sets = [{
    ...taken!,
    metadata: { ...taken!.metadata, ownerReferences: [], labels: { app: "other" } },
  }];
  simulation.settle();
  equal(simulation.deployment.status?.collisionCount, 1);
  equal(simulation.sets.length, 2);
  ok(simulation.sets[0]!.metadata.name !== simulation.sets[1]!.metadata.name);
});

Deno.test("what a ReplicaSet could not do is said of the Deployment, while it lasts", () => {
  const simulation = rolledOut(1);
  const [set] = simulation.sets;
  const conditions = [{ type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: "quota" }] as const;
  simulation.sets = [{ ...set!, status: { ...set!.status!, conditions: [...conditions] } }];
  simulation.plan();
  equal(simulation.condition("ReplicaFailure")?.message, "quota");
  simulation.sets = [set!];
  simulation.plan();
  equal(simulation.condition("ReplicaFailure"), undefined);
});

type Step = { do: "plan" } | { do: "tend" | "move"; index: number };

function take(simulation: Simulation, step: Step): void {
  if (step.do === "plan") simulation.plan();
  else if (step.do === "tend") simulation.tend(step.index);
  else simulation.movePod(step.index);
}

function arbitrarySteps(): fc.Arbitrary<Step[]> {
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.constant<Step>({ do: "plan" }),
    fc.record({ do: fc.constantFrom("tend" as const, "move" as const), index: fc.nat(50) }),
  );
  return fc.array(step, { maxLength: 60 });
}

function arbitraryRollout() {
  const limit = fc.oneof(fc.nat(4), fc.constantFrom("0%", "25%", "50%", "100%"));
  return fc.record({ replicas: fc.integer({ min: 0, max: 10 }), maxSurge: limit, maxUnavailable: limit })
    // Validation refuses that both are zero.
    .filter(({ maxSurge, maxUnavailable }) => parseInt(String(maxSurge)) + parseInt(String(maxUnavailable)) > 0)
    .map(({ replicas, maxSurge, maxUnavailable }) => ({
      replicas,
      spec: { strategy: { type: "RollingUpdate" as const, rollingUpdate: { maxSurge, maxUnavailable } } },
    }));
}
