import { deepEqual, equal, ok } from "node:assert/strict";
import type { StoredObject } from "../registry/stored_object.ts";
import type { ObjectChange } from "./change.ts";
import { JSON_FORM } from "./encoding.ts";
import { SharedBatches, SharedEvents } from "./shared.ts";
import { collectGarbage } from "../testing/garbage.ts";

function object(revision: number, bytes: number): StoredObject {
  return { namespace: "", name: "a", uid: "", revision, json: new Uint8Array(bytes), labels: {}, fields: {} };
}

Deno.test("encodings of large changes are shared while watches read them, and not kept for long", () => {
  const shared = new SharedEvents();
  const changes = Array.from({ length: 20 }, (_, index): ObjectChange => {
    return { type: "ADDED", revision: index + 1, at: 0, object: object(index + 1, 1 << 20) };
  });
  const event = (of: ObjectChange) => shared.get(of, "ADDED", of.object, JSON_FORM);
  const first = changes.map(event);
  ok(event(changes[19]!) === first[19] && event(changes[13]!) === first[13]);
  ok(event(changes[0]!) !== first[0]);
});

Deno.test("what watches begin with is shared by those that begin with the same, up to a limit", () => {
  const shared = new SharedBatches();
  const objects = Array.from({ length: 20 }, (_, index) => object(index + 1, 1 << 20));
  const first = objects.map((_, at) => shared.get(objects, at, JSON_FORM));
  deepEqual(first.map((events) => events.length), Array(20).fill(1));
  ok(shared.get(objects, 19, JSON_FORM) === first[19] && shared.get(objects, 13, JSON_FORM) === first[13]);
  ok(shared.get(objects, 0, JSON_FORM) !== first[0]);
  ok(shared.get([...objects], 19, JSON_FORM) !== first[19]);
});

Deno.test("what a watch alone has begun with is gone when it has gone on, however many do so", async () => {
  const shared = new SharedBatches();
  const begun = Array.from({ length: 100 }, (_, index) => {
    const one = object(index, 1024);
    shared.get([one], 0, JSON_FORM);
    return new WeakRef(one);
  });
  await collectGarbage();
  equal(begun.filter((one) => one.deref() !== undefined).length, 0);
});
