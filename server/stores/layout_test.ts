import { deepEqual, ok } from "node:assert/strict";
import type { Change } from "@k3ts/api";
import type { Operation, Row } from "@k3ts/ffi";
import fc from "fast-check";
import { changeOperations, decodeChange, decodeEntry, historyKey, kindOf } from "./layout.ts";

const revision = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });

const change: fc.Arbitrary<Change> = fc.record({
  type: fc.constantFrom("put", "delete"),
  key: fc.string({ unit: "grapheme" }),
  value: fc.uint8Array({ maxLength: 40 }),
  revision,
  expiresAt: fc.option(fc.nat({ max: 2 ** 44 }), { nil: undefined }),
}).map(({ type, expiresAt, ...rest }) =>
  type === "put" && expiresAt !== undefined ? { type, ...rest, expiresAt } : { type, ...rest }
);

function rowsOf(operations: Operation[]): Row[] {
  return operations.flatMap((operation) => operation.do === "put" ? [operation] : [])
    .map(({ key, value }) => ({ key, value }));
}

Deno.test("a change is read back from its history, and a put from the newest state too", () => {
  fc.assert(fc.property(change, (written) => {
    const rows = rowsOf(changeOperations(written));
    deepEqual(rows.map(kindOf), written.type === "put" ? ["history", "object"] : ["history"]);
    deepEqual(decodeChange(rows[0]!), written);
    if (written.type === "put") {
      const { type: _, ...entry } = written;
      deepEqual(decodeEntry(rows[1]!), entry);
    }
  }));
});

Deno.test("history is in the order of its revisions", () => {
  fc.assert(fc.property(revision, revision, (a, b) => {
    const order = compare(historyKey(a), historyKey(b));
    ok(Math.sign(order) === Math.sign(a - b), `${a} and ${b} are ordered as ${order}`);
  }));
});

function compare(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((byte, index) => byte !== b[index]);
  return at < 0 ? 0 : a[at]! - b[at]!;
}
