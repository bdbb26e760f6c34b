import { deepEqual as assertEquals } from "node:assert/strict";
import fc from "fast-check";
import { type Change, ObjectStore } from "./object_store.ts";
import type { KubernetesObject } from "./types.ts";

interface Thing extends KubernetesObject {
  metadata: { name: string; namespace: string; uid: string; resourceVersion: string };
  color: string;
}

type Step = { do: "put" | "remove"; thing: Thing } | { do: "replace"; things: Thing[] };

Deno.test("whatever happens, the store and its index hold the last state of each object", () => {
  fc.assert(fc.property(fc.array(arbitraryStep()), (steps) => {
    const store = new ObjectStore<Thing>();
    const byColor = store.index(({ color }) => [color]);
    const truth = new Map<string, Thing>();
    for (const step of steps) {
      follow(store, step);
      if (step.do === "put") truth.set(keyOf(step.thing), step.thing);
      if (step.do === "remove") truth.delete(keyOf(step.thing));
      if (step.do === "replace") resetTo(truth, step.things);
    }
    assertEquals(states(store.list()), states([...truth.values()]));
    for (const color of COLORS) {
      assertEquals(states(byColor.get(color)), states([...truth.values()].filter((thing) => thing.color === color)));
    }
  }));
});

Deno.test("one who only follows the changes ends with what the store holds", () => {
  fc.assert(fc.property(fc.array(arbitraryStep()), (steps) => {
    const store = new ObjectStore<Thing>();
    const copy = new Map<string, Thing>();
    for (const change of steps.flatMap((step) => follow(store, step))) {
      assertEquals(copy.get(keyOf(change.object)), change.old, `${change.type} must know what was there`);
      if (change.type === "deleted") copy.delete(keyOf(change.object));
      else copy.set(keyOf(change.object), change.object);
    }
    assertEquals(states([...copy.values()]), states(store.list()));
  }));
});

Deno.test("an object never turns into another of the same name: the first is deleted", () => {
  fc.assert(fc.property(fc.array(arbitraryStep()), (steps) => {
    const store = new ObjectStore<Thing>();
    for (const { type, object, old } of steps.flatMap((step) => follow(store, step))) {
      if (type === "updated") assertEquals(object.metadata.uid, old?.metadata.uid);
    }
  }));
});

const COLORS = ["red", "green"];
let revision = 0;

function arbitraryThing(): fc.Arbitrary<Thing> {
  return fc.record({
    namespace: fc.constantFrom("", "a", "b"),
    name: fc.constantFrom("x", "y", "z"),
    uid: fc.constantFrom("1", "2"),
    color: fc.constantFrom(...COLORS),
  }).map(({ color, ...metadata }) => ({ metadata: { ...metadata, resourceVersion: String(++revision) }, color }));
}

function arbitraryStep(): fc.Arbitrary<Step> {
  return fc.oneof(
    fc.record({ do: fc.constantFrom("put" as const, "remove" as const), thing: arbitraryThing() }),
    fc.record({
      do: fc.constant("replace" as const),
      things: fc.uniqueArray(arbitraryThing(), { selector: keyOf }),
    }),
  );
}

function follow(store: ObjectStore<Thing>, step: Step): Change<Thing>[] {
  if (step.do === "replace") return store.replace(step.things);
  return step.do === "put" ? store.put(step.thing) : store.remove(step.thing);
}

function resetTo(truth: Map<string, Thing>, things: Thing[]): void {
  truth.clear();
  for (const thing of things) truth.set(keyOf(thing), thing);
}

function keyOf({ metadata }: Thing): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function states(things: readonly Thing[]): string[] {
  return things.map((thing) => JSON.stringify(thing)).sort();
}
