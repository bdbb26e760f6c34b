import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import type { KubernetesObject } from "@k3ts/model/objects";
import { FOREGROUND, type GarbageAction, ORPHAN, type OwnerState, planGarbage } from "./plan.ts";

const NOW = "2026-01-01T00:00:00Z";

Deno.test("what has lost its only owner is deleted", () => {
  const orphan = object("b", { owners: ["a"] });
  deepEqual(plan(orphan, { a: "gone" }), [
    { do: "delete", object: orphan, propagation: "Background", because: "its owners are gone" },
  ]);
});

Deno.test("what has another owner stays, without the one that is gone", () => {
  const shared = object("c", { owners: ["a", "b"] });
  deepEqual(plan(shared, { a: "gone", b: "present" }), [{ do: "dropOwners", object: shared, uids: ["a"] }]);
});

Deno.test("nothing is concluded from an owner that cannot be looked up", () => {
  deepEqual(plan(object("b", { owners: ["a"] }), { a: "unknown" }), []);
});

Deno.test("deleted in the foreground, an owner stays until those that block it are gone", () => {
  const owner = object("a", { deleted: true, finalizers: [FOREGROUND] });
  const blocking = object("b", { owners: ["a"], blocks: true });
  deepEqual(planGarbage(owner, () => "gone", [blocking]), []);
  deepEqual(plan(blocking, { a: "waitsForDependents" }).map((action) => action.do), ["delete"]);
  deepEqual(planGarbage(owner, () => "gone", []), [{ do: "dropFinalizer", object: owner, finalizer: FOREGROUND }]);
});

Deno.test("what does not block is not waited for", () => {
  const owner = object("a", { deleted: true, finalizers: [FOREGROUND] });
  deepEqual(planGarbage(owner, () => "gone", [object("b", { owners: ["a"] })]).map((action) => action.do), [
    "dropFinalizer",
  ]);
});

Deno.test("a dependent of something that waits passes the wait on to its own dependents", () => {
  const middle = object("b", { owners: ["a"], blocks: true });
  const [action] = planGarbage(middle, () => "waitsForDependents", [object("c", { owners: ["b"], blocks: true })]);
  equal(action?.do === "delete" && action.propagation, "Foreground");
});

Deno.test("orphaned dependents are released before the owner goes", () => {
  const owner = object("a", { deleted: true, finalizers: [ORPHAN] });
  const dependent = object("b", { owners: ["a"] });
  deepEqual(planGarbage(owner, () => "gone", [dependent]), [
    { do: "dropOwners", object: dependent, uids: ["a"] },
    { do: "dropFinalizer", object: owner, finalizer: ORPHAN },
  ]);
});

Deno.test("whoever owns whom, circles too, deleting one in the foreground comes to an end with every dependent gone", () => {
  fc.assert(fc.property(arbitraryGraph(), (owners) => {
    const left = collect(owners);
    // What is left has an owner that is left, or never had one.
    for (const { metadata } of left.values()) {
      const references = metadata.ownerReferences ?? [];
      ok(metadata.deletionTimestamp === undefined);
      ok(references.every(({ uid }) => left.has(uid)));
      ok(references.length > 0 || owners[Number(metadata.name)]!.length === 0 || metadata.name !== "0");
    }
    ok(!left.has("0"));
  }));
});

interface Options {
  owners?: string[];
  blocks?: boolean;
  deleted?: boolean;
  finalizers?: string[];
}

function object(name: string, { owners = [], blocks = false, deleted, finalizers }: Options = {}): KubernetesObject {
  return {
    metadata: {
      name,
      uid: name,
      resourceVersion: "1",
      creationTimestamp: NOW,
      ownerReferences: owners.map((uid) => ({
        apiVersion: "v1",
        kind: "ConfigMap",
        name: uid,
        uid,
        blockOwnerDeletion: blocks,
      })),
      ...(deleted && { deletionTimestamp: NOW }),
      ...(finalizers && { finalizers }),
    },
  };
}

function plan(subject: KubernetesObject, states: Record<string, OwnerState>): GarbageAction[] {
  return planGarbage(subject, ({ uid }) => states[uid]!, []);
}

/** For each of some objects, by which of them it is owned. */
function arbitraryGraph(): fc.Arbitrary<number[][]> {
  return fc.integer({ min: 1, max: 7 }).chain((size) =>
    fc.array(fc.uniqueArray(fc.nat(size - 1), { maxLength: 3 }), { minLength: size, maxLength: size })
  ).map((graph) => graph.map((owners, index) => owners.filter((owner) => owner !== index)));
}

/** Deletes object 0 in the foreground, and follows the plans of all until they rest. @returns what is left */
function collect(graph: number[][]): Map<string, KubernetesObject> {
  const objects = new Map(
    graph.map((owners, index) => [String(index), object(String(index), { owners: owners.map(String), blocks: true })]),
  );
  remove(objects, "0", "Foreground");
  for (let round = 0; round < 200; round++) {
    const actions = [...objects.values()].flatMap((subject) =>
      planGarbage(subject, ({ uid }) => stateOf(objects.get(uid)), dependentsOf(objects, subject))
    );
    if (actions.length === 0) return objects;
    for (const action of actions) carryOut(objects, action);
  }
  throw new Error("The collector does not come to rest");
}

function stateOf(owner: KubernetesObject | undefined): OwnerState {
  if (owner === undefined) return "gone";
  const { deletionTimestamp, finalizers } = owner.metadata;
  return deletionTimestamp && finalizers?.includes(FOREGROUND) ? "waitsForDependents" : "present";
}

function dependentsOf(objects: Map<string, KubernetesObject>, { metadata }: KubernetesObject): KubernetesObject[] {
  return [...objects.values()].filter((other) =>
    other.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid)
  );
}

function carryOut(objects: Map<string, KubernetesObject>, action: GarbageAction): void {
  const { uid } = action.object.metadata;
  const now = objects.get(uid);
  if (now === undefined) return;
  const { metadata } = now;
  const write = (change: Partial<KubernetesObject["metadata"]>) =>
    objects.set(uid, { metadata: { ...metadata, ...change } });
  if (action.do === "delete") remove(objects, uid, action.propagation);
  else if (action.do === "dropFinalizer") {
    const finalizers = metadata.finalizers?.filter((finalizer) => finalizer !== action.finalizer) ?? [];
    if (finalizers.length === 0) objects.delete(uid);
    else write({ finalizers });
  } else if (action.do === "unblock") {
    write({ ownerReferences: metadata.ownerReferences?.map((owner) => ({ ...owner, blockOwnerDeletion: false })) });
  } else {
    write({ ownerReferences: metadata.ownerReferences?.filter((owner) => !action.uids.includes(owner.uid)) });
  }
}

function remove(objects: Map<string, KubernetesObject>, uid: string, propagation: string): void {
  const subject = objects.get(uid);
  if (subject === undefined) return;
  if (propagation === "Background") return void objects.delete(uid);
  const finalizers = [...new Set([...subject.metadata.finalizers ?? [], FOREGROUND])];
  objects.set(uid, { metadata: { ...subject.metadata, deletionTimestamp: NOW, finalizers } });
}
