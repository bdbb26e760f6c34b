import { deepEqual, equal } from "node:assert/strict";
import { collectGarbage } from "../testing/garbage.ts";
import { Kept } from "./kept.ts";

Deno.test("what was made first is dropped when there are too many or too many bytes, what was made last never is", () => {
  const objects = Array.from({ length: 5 }, () => ({}));
  const kept = new Kept<object, number>({ countMax: 3, bytesMax: 10 });
  const left = () => objects.flatMap((object) => kept.get(object, "form") ?? []);
  for (const [index, object] of objects.entries()) kept.keep(object, "form", index, 1);
  deepEqual(left(), [2, 3, 4]);
  kept.keep(objects[0]!, "form", 0, 9);
  deepEqual(left(), [0, 4]);
  kept.keep(objects[1]!, "form", 1, 11);
  deepEqual(left(), [1]);
  equal(kept.get(objects[1]!, "another form"), undefined);
});

Deno.test("what was made of an object holds it no longer than others do", async () => {
  const kept = new Kept<object, Uint8Array>({ countMax: 1000, bytesMax: 1e9 });
  const held = {};
  const made = [held, ...Array.from({ length: 10 }, () => ({}))].map((object) => {
    const bytes = new Uint8Array(8);
    kept.keep(object, "form", bytes, 8);
    return new WeakRef(bytes);
  });
  await collectGarbage();
  equal(made.filter((bytes) => bytes.deref() !== undefined).length, 1);
  equal(kept.get(held, "form"), made[0]!.deref());
});
