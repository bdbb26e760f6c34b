/** Types promise fields that a client may still leave out: rules must say so, not fail. */
import { deepEqual as assertEquals } from "node:assert/strict";
import fc from "fast-check";
import { parseApiVersion, resourceOfKind } from "../facts/mod.ts";
import { cloneJson, type Json } from "../json.ts";
import { type ApiObject, formatFieldError, kindOf } from "./mod.ts";
import recorded from "./testdata/kubernetes_1_35_4.json" with { type: "json" };

const objects = (recorded as unknown as { object: ApiObject; old?: ApiObject; result?: ApiObject }[])
  .flatMap(({ object, old, result }) => [object, old, result]).filter((object) => object !== undefined);

Deno.test("whatever parts of an object are missing, its rules say what is wrong and its row is shown", () => {
  fc.assert(
    fc.property(fc.constantFrom(...objects), fc.infiniteStream(fc.nat(11)), (whole, dice) => {
      const part = without(whole, () => dice.next().value === 0);
      const { group } = parseApiVersion(whole.apiVersion!);
      const kind = kindOf(group, resourceOfKind(group, whole.kind!)!.resource);
      const old = cloneJson(whole);
      kind.defaults(part);
      kind.defaults(old);
      const created = cloneJson(part);
      kind.prepareForCreate(created);
      const said = kind.validate(created).map(formatFieldError);
      for (const subresource of ["", "status"]) {
        const next = cloneJson(part);
        kind.prepareForUpdate(next, old, subresource);
        said.push(...kind.validateUpdate(next, old, subresource).map(formatFieldError));
      }
      assertEquals(said.filter((error) => error.includes("undefined")), []);
      assertEquals(kind.row(part, 0).length, kind.columns.length);
      assertEquals(Object.values(kind.selectableFields(part)).filter((value) => typeof value !== "string"), []);
    }),
    { numRuns: 500 },
  );
});

/** The object with members left out, but not what says which it is. */
function without(object: ApiObject, leavesOut: () => boolean): ApiObject {
  const copy = cloneJson(object);
  prune(copy as unknown as Json, leavesOut);
  return { ...copy, apiVersion: object.apiVersion!, kind: object.kind!, metadata: copy.metadata ?? { name: "" } };
}

function prune(value: Json, leavesOut: () => boolean): void {
  if (Array.isArray(value)) return value.forEach((item) => prune(item, leavesOut));
  if (typeof value !== "object" || value === null) return;
  for (const name of Object.keys(value)) {
    // What is read has no nulls.
    if (value[name] === null || leavesOut()) delete value[name];
    else prune(value[name]!, leavesOut);
  }
}
