import { equal, ok } from "node:assert/strict";
import { readablePair } from "./readable.ts";

const options = { showManagedFields: false };
const object = (more: object, metadata = {}) => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "s", uid: "u", resourceVersion: "1", managedFields: [], ...metadata },
  ...more,
});

Deno.test("what the server keeps for itself is no difference", () => {
  const before = object({}, { generation: 1 });
  const after = object({}, { resourceVersion: "2", generation: 2, creationTimestamp: "x" });
  const [left, right] = readablePair(before, after, options);
  equal(left, right);
  equal(left, "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n");
});

Deno.test("an object that is not there yet is empty", () => {
  equal(readablePair(undefined, object({}), options)[0], "");
});

Deno.test("secrets are told apart and never shown", () => {
  const annotations = { "kubectl.kubernetes.io/last-applied-configuration": '{"data":{"a":"geheim"}}' };
  const before = object({ data: { a: "geheim", b: "gleich", c: "alt" } }, { annotations });
  const after = object({ data: { a: "anders", b: "gleich", d: "neu" } });
  const [left, right] = readablePair(before, after, options);
  ok(
    left.includes('a: "*** (before)"') || left.includes("a: '*** (before)'") || left.includes('a: "*** (before)"'),
    left,
  );
  ok(right.includes("*** (after)"));
  for (const word of ["geheim", "gleich", "alt", "anders", "neu"]) ok(!(left + right).includes(word), word);
});
