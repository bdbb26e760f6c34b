import { deepEqual as assertEquals, equal, ok as assert } from "node:assert/strict";
import { formatTime, type Node, type Pod, type Taint, type Toleration } from "@k3ts/model/objects";
import fc from "fast-check";
import { planEvictions } from "./evict.ts";

const NOW = Date.parse("2026-01-01T00:10:00Z");
const CREATED = NOW - 600_000;

function tainted(...taints: Taint[]): Node {
  return { metadata: { name: "n1", uid: "n1" }, spec: { taints } } as Node;
}

function pod(name: string, tolerations: Toleration[], created = CREATED): Pod {
  return {
    metadata: { name, uid: name, namespace: "default", creationTimestamp: formatTime(created) },
    spec: { nodeName: "n1", tolerations },
  } as Pod;
}

const UNREACHABLE: Taint = { key: "node.kubernetes.io/unreachable", effect: "NoExecute", timeAdded: formatTime(NOW) };
const bears = (tolerationSeconds?: number): Toleration => ({
  key: UNREACHABLE.key,
  operator: "Exists",
  effect: "NoExecute",
  ...(tolerationSeconds !== undefined && { tolerationSeconds }),
});

function plan(node: Node, pods: Pod[], before: ReadonlyMap<string, number> = new Map(), now = NOW, aheadMs = 0) {
  const { evict, since, nextAt } = planEvictions([node], () => pods, before, { wall: now + aheadMs, monotonic: now });
  return { evict: evict.map(({ metadata }) => metadata.name), since, nextAt };
}

Deno.test("who does not bear a taint leaves at once, who bears it for a while then, who bears it for ever never", () => {
  const pods = [pod("never", [bears()]), pod("later", [bears(300)]), pod("now", []), pod("negative", [bears(-5)])];
  const first = plan(tainted(UNREACHABLE), pods);
  assertEquals(first.evict, ["now", "negative"]);
  equal(first.nextAt, NOW + 300_000);
  assertEquals(plan(tainted(UNREACHABLE), pods.slice(0, 2), first.since, NOW + 299_999).evict, []);
  assertEquals(plan(tainted(UNREACHABLE), pods.slice(0, 2), first.since, NOW + 300_000).evict, ["later"]);
});

Deno.test("whose patience has begun has all of it though the clock is set, and who is found is not put off for ever", () => {
  const pods = [pod("later", [bears(300)])];
  const { since } = plan(tainted(UNREACHABLE), pods);
  for (const aheadMs of [7_200_000, -7_200_000]) {
    assertEquals(plan(tainted(UNREACHABLE), pods, since, NOW + 299_999, aheadMs).evict, []);
    assertEquals(plan(tainted(UNREACHABLE), pods, since, NOW + 300_000, aheadMs).evict, ["later"]);
  }
  equal(plan(tainted(UNREACHABLE), pods, new Map(), NOW, -7_200_000).nextAt, NOW + 300_000);
});

Deno.test("the time goes on when this process begins anew, when the taint is swapped, and not before the pod was there", () => {
  const old = { ...UNREACHABLE, timeAdded: formatTime(NOW - 200_000) };
  equal(plan(tainted(old), [pod("a", [bears(300)])]).nextAt, NOW + 100_000);
  const everything: Toleration = { operator: "Exists", tolerationSeconds: 300 };
  const first = plan(tainted(old), [pod("a", [everything])]);
  const swapped = tainted({ ...old, key: "node.kubernetes.io/not-ready", timeAdded: formatTime(NOW) });
  equal(plan(swapped, [pod("a", [everything])], first.since).nextAt, NOW + 100_000);
  equal(plan(tainted(old), [pod("new", [bears(300)], NOW - 1_000)]).nextAt, NOW + 299_000);
});

Deno.test("a taint that has gone calls it off, and what a person has set needs no time", () => {
  const first = plan(tainted(UNREACHABLE), [pod("a", [bears(300)])]);
  assertEquals(plan(tainted(), [pod("a", [bears(300)])], first.since), {
    evict: [],
    since: new Map(),
    nextAt: undefined,
  });
  const byHand: Taint = { key: "team", value: "a", effect: "NoExecute" };
  const tolerant = pod("a", [{ key: "team", value: "a", tolerationSeconds: 60 }]);
  const other = pod("b", [{ key: "team", value: "b" }]);
  const then = plan(tainted(byHand), [tolerant, other]);
  assertEquals([then.evict, then.nextAt], [["b"], NOW + 60_000]);
});

Deno.test("a pod that leaves already is left alone, a taint that only keeps away evicts nobody", () => {
  const leaving = pod("a", []);
  leaving.metadata.deletionTimestamp = formatTime(NOW);
  assertEquals(plan(tainted(UNREACHABLE), [leaving]).evict, []);
  assertEquals(plan(tainted({ ...UNREACHABLE, effect: "NoSchedule" }), [pod("b", [])]).evict, []);
});

Deno.test("nobody leaves before the shortest of its patience, and everybody after it", () => {
  const seconds = fc.option(fc.integer({ min: 0, max: 1000 }), { nil: undefined });
  const keys = fc.uniqueArray(fc.constantFrom("a", "b", "c"), { minLength: 1 });
  fc.assert(
    fc.property(keys, fc.dictionary(fc.constantFrom("a", "b", "c"), seconds), fc.nat(2_000), (keys, borne, later) => {
      const taints = keys.map((key): Taint => ({ key, effect: "NoExecute", timeAdded: formatTime(NOW) }));
      const tolerations = Object.entries(borne).map(([key, tolerationSeconds]): Toleration => ({
        key,
        operator: "Exists",
        ...(tolerationSeconds !== undefined && { tolerationSeconds }),
      }));
      const shortest = Math.min(...keys.map((key) => key in borne ? borne[key] ?? Infinity : 0));
      const { evict, nextAt } = plan(tainted(...taints), [pod("a", tolerations)], new Map(), NOW + later * 1000);
      equal(evict.length === 1, later >= shortest);
      assert(evict.length === 1 || shortest === Infinity ? nextAt === undefined : nextAt === NOW + shortest * 1000);
    }),
  );
});
