import { equal, match } from "node:assert/strict";
import { aPod } from "@k3ts/model/testing";
import { chooseEviction, type Holder } from "./disk_pressure.ts";

const MIB = 2 ** 20;
const FULL = { capacity: 1000 * MIB, available: 99 * MIB };

/** @param held MiB, half of it in a volume */
function holder(
  uid: string,
  held: number,
  { request, priority }: { request?: string; priority?: number } = {},
): Holder {
  const resources = request === undefined ? {} : { requests: { "ephemeral-storage": request } };
  const half = held * MIB / 2;
  return {
    pod: aPod({
      uid,
      spec: { containers: [{ name: "main", resources }], ...(priority !== undefined && { priority }) },
    }),
    use: { volumes: new Map([["v", half]]), containers: new Map([["main", half]]) },
  };
}

const chosen = (...holders: Holder[]) => chooseEviction(holders, FULL)?.uid;

Deno.test("nobody is put out while there is room", () => {
  equal(chooseEviction([holder("a", 900)], { capacity: 1000 * MIB, available: 100 * MIB }), undefined);
  equal(chooseEviction([], FULL), undefined);
});

Deno.test("who holds the most goes first, and nobody who holds too little for its end to help", () => {
  equal(chosen(holder("a", 30), holder("b", 50), holder("c", 40)), "b");
  equal(chosen(holder("a", 19), holder("b", 10)), undefined);
});

Deno.test("who holds more than it asked for goes before who does not, and the less important before the more", () => {
  equal(chosen(holder("asked", 500, { request: "600Mi" }), holder("greedy", 30)), "greedy");
  equal(chosen(holder("a", 400, { request: "390Mi" }), holder("b", 300, { request: "100Mi" })), "b");
  equal(chosen(holder("important", 500, { priority: 10 }), holder("not", 30)), "not");
  equal(chosen(holder("system", 500, { priority: 2_000_001_000 })), undefined);
});

Deno.test("why it was put out is told in the kubelet's words", () => {
  const { message } = chooseEviction([holder("a", 30, { request: "1Mi" })], FULL)!;
  match(
    message,
    /^The node was low on resource: ephemeral-storage\. Threshold quantity: 102400Ki, available: 101376Ki\. /,
  );
  match(message, /Container main was using 15360Ki, request is 1Mi, has larger consumption of ephemeral-storage\. $/);
});
