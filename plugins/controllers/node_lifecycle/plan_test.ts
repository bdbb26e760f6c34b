import { deepEqual as assertEquals, equal, ok as assert } from "node:assert/strict";
import { formatMicroTime, formatTime, type Lease, momentOf, type Node, type NodeCondition } from "@k3ts/model/objects";
import { FakeClock } from "@k3ts/model/testing";
import fc from "fast-check";
import { nodeLimits } from "./limits.ts";
import { type Memory, NOTHING, type Pass, planPass } from "./plan.ts";
import { isEvicting, NOT_READY, UNREACHABLE } from "./taints.ts";

const START = Date.parse("2026-01-01T00:00:00Z");
const LIMITS = nodeLimits();
const SECOND = 1_000;

/** Nodes as the server would have them, whose agents live or do not. */
class Cluster {
  readonly clock = new FakeClock(START);
  memory: Memory = NOTHING;
  readonly nodes = new Map<string, Node>();
  readonly leases = new Map<string, Lease>();
  readonly dead = new Set<string>();

  constructor(count: number, labels: Record<string, string> = {}) {
    for (let number = 1; number <= count; number++) this.add(`n${number}`, labels);
  }

  get now(): number {
    return this.clock.wall();
  }

  add(name: string, labels: Record<string, string> = {}, conditions: NodeCondition[] = [ready("True")]): void {
    this.nodes.set(name, {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name, uid: name, labels, creationTimestamp: formatTime(this.now) },
      spec: {},
      status: { conditions },
    } as Node);
  }

  /** Time goes on in steps of a look; living agents renew their leases. */
  pass(seconds = LIMITS.monitorEveryMs / SECOND): Pass {
    this.clock.advance(seconds * SECOND);
    for (const name of this.nodes.keys()) {
      if (this.dead.has(name)) continue;
      this.leases.set(name, { spec: { renewTime: formatMicroTime(this.now) } } as Lease);
      const own = this.nodes.get(name)!;
      if (own.status!.conditions!.some(({ status }) => status === "Unknown")) {
        this.nodes.set(name, { ...own, status: { conditions: [ready("True", this.now)] } });
      }
    }
    const pass = planPass(this.memory, [...this.nodes.values()], this.leases, LIMITS, momentOf(this.clock));
    this.memory = pass.memory;
    for (const { node, conditions, taints } of pass.changes) {
      this.nodes.set(node.metadata.name, {
        ...node,
        ...(conditions && { status: { ...node.status, conditions } }),
        ...(taints && { spec: { ...node.spec, taints } }),
      });
    }
    return pass;
  }

  passes(seconds: number): void {
    for (let left = seconds; left > 0; left -= LIMITS.monitorEveryMs / SECOND) this.pass();
  }

  taintsOf(name: string): string[] {
    return (this.nodes.get(name)!.spec?.taints ?? []).map(({ key, effect }) => `${key}:${effect}`).sort();
  }

  evicting(): string[] {
    return [...this.nodes.values()].filter(({ spec }) => spec?.taints?.some(isEvicting)).map((node) =>
      node.metadata.name
    );
  }
}

function ready(status: NodeCondition["status"], at = START): NodeCondition {
  return { type: "Ready", status, lastHeartbeatTime: formatTime(at), lastTransitionTime: formatTime(at) };
}

Deno.test("a node that falls silent is unknown after the grace, tainted, and left alone again when it is back", () => {
  const cluster = new Cluster(3);
  cluster.pass();
  cluster.dead.add("n2");
  cluster.passes(50);
  assertEquals(cluster.taintsOf("n2"), []);
  cluster.pass();
  const { conditions } = cluster.nodes.get("n2")!.status!;
  assertEquals(conditions!.map(({ type, status, reason }) => [type, status, reason]), [
    ["Ready", "Unknown", "NodeStatusUnknown"],
    ["MemoryPressure", "Unknown", "NodeStatusNeverUpdated"],
    ["DiskPressure", "Unknown", "NodeStatusNeverUpdated"],
    ["PIDPressure", "Unknown", "NodeStatusNeverUpdated"],
  ]);
  assertEquals(cluster.taintsOf("n2"), [`${UNREACHABLE}:NoExecute`, `${UNREACHABLE}:NoSchedule`]);
  equal(cluster.nodes.get("n2")!.spec!.taints![0]!.timeAdded, formatTime(cluster.now));
  assertEquals(cluster.pass().silent, ["n2"]);
  assertEquals(cluster.pass().changes, []);
  cluster.dead.delete("n2");
  cluster.pass();
  assertEquals([cluster.taintsOf("n2"), cluster.taintsOf("n1")], [[], []]);
});

Deno.test("a node that says that it is not ready is tainted so, and the taint follows when it falls silent", () => {
  const cluster = new Cluster(2);
  cluster.add("n3", {}, [ready("False")]);
  cluster.pass();
  assertEquals(cluster.taintsOf("n3"), [`${NOT_READY}:NoExecute`, `${NOT_READY}:NoSchedule`]);
  cluster.dead.add("n3");
  cluster.passes(60);
  assertEquals(cluster.taintsOf("n3"), [`${UNREACHABLE}:NoExecute`, `${UNREACHABLE}:NoSchedule`]);
});

Deno.test("a node that has never said how it is has a minute", () => {
  const cluster = new Cluster(2);
  cluster.add("n3", {}, []);
  cluster.dead.add("n3");
  cluster.passes(60);
  assertEquals(cluster.taintsOf("n3"), []);
  cluster.pass();
  assertEquals(
    cluster.nodes.get("n3")!.status!.conditions!.map(({ reason }) => reason),
    Array(4).fill("NodeStatusNeverUpdated"),
  );
  assertEquals(cluster.taintsOf("n3"), [`${UNREACHABLE}:NoExecute`, `${UNREACHABLE}:NoSchedule`]);
});

Deno.test("a node whose clock is wrong is as alive as any other", () => {
  const cluster = new Cluster(2);
  cluster.dead.add("n2"); // its lease is renewed below, by its own clock
  for (let look = 0; look < 30; look++) {
    cluster.leases.set("n2", { spec: { renewTime: formatMicroTime(START - 10 ** 9 + look * SECOND) } } as Lease);
    cluster.pass();
  }
  assertEquals(cluster.taintsOf("n2"), []);
});

Deno.test("when every node is gone nothing is evicted, and when some come back the rest has its time again", () => {
  const cluster = new Cluster(4);
  cluster.pass();
  for (const name of cluster.nodes.keys()) cluster.dead.add(name);
  cluster.passes(600);
  assertEquals(cluster.evicting(), []);
  // Nor is any of their pods left out by Services.
  assertEquals(cluster.pass().silent, []);
  assertEquals(cluster.taintsOf("n1"), [`${UNREACHABLE}:NoSchedule`]);
  cluster.dead.clear();
  cluster.dead.add("n4");
  cluster.pass();
  assertEquals(cluster.taintsOf("n1"), []);
  cluster.passes(60);
  assertEquals(cluster.evicting(), ["n4"]);
});

Deno.test("what could not be heard is no silence", () => {
  const cluster = new Cluster(3);
  cluster.pass();
  // The server stood still for ten minutes; nodes come back one after the other.
  cluster.clock.advance(600 * SECOND);
  const now = momentOf(cluster.clock);
  const pass = planPass(cluster.memory, [...cluster.nodes.values()], cluster.leases, LIMITS, now, 600 * SECOND);
  assertEquals([pass.changes, pass.silent], [[], []]);
});

for (const [how, jumpMs] of [["ahead", 7_200_000], ["back", -7_200_000]] as const) {
  Deno.test(`a clock that is set ${how} neither makes a node silent nor keeps one from being so`, () => {
    const cluster = new Cluster(4);
    cluster.passes(10);
    cluster.dead.add("n2");
    cluster.clock.jump(jumpMs);
    assertEquals([cluster.pass().changes, cluster.taintsOf("n2")], [[], []]);
    cluster.passes(60);
    assertEquals(cluster.evicting(), ["n2"]);
  });
}

Deno.test("when most of a small zone is gone nothing more is evicted from it", () => {
  const cluster = new Cluster(5);
  cluster.pass();
  for (const name of ["n1", "n2", "n3"]) cluster.dead.add(name);
  cluster.passes(600);
  assertEquals(cluster.evicting(), []);
});

Deno.test("a cordon is a taint, conditions keep pods away, and what others have written stays", () => {
  const cluster = new Cluster(2);
  const foreign = { key: "team", value: "a", effect: "NoExecute" as const };
  const node = cluster.nodes.get("n2")!;
  cluster.nodes.set("n2", {
    ...node,
    spec: { unschedulable: true, taints: [foreign] },
    status: { conditions: [ready("True"), { type: "DiskPressure", status: "True" }] },
  });
  cluster.pass();
  assertEquals(cluster.taintsOf("n2"), [
    "node.kubernetes.io/disk-pressure:NoSchedule",
    "node.kubernetes.io/unschedulable:NoSchedule",
    "team:NoExecute",
  ]);
  const cordoned = cluster.nodes.get("n2")!;
  cluster.nodes.set("n2", {
    ...cordoned,
    spec: { taints: cordoned.spec!.taints },
    status: { conditions: [ready("True")] },
  });
  cluster.pass();
  assertEquals(cluster.taintsOf("n2"), ["team:NoExecute"]);
});

Deno.test("whatever dies when: evictions begin no faster than a node in ten seconds a zone, and never with nobody left", () => {
  const events = fc.array(fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 40 })), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), events, (count, list) => {
      const cluster = new Cluster(count);
      cluster.pass();
      let since = cluster.now;
      let begun = 0;
      for (const [number, looks] of list) {
        const name = `n${(number - 1) % count + 1}`;
        if (!cluster.dead.delete(name)) cluster.dead.add(name);
        for (let look = 0; look < looks; look++) {
          const before = new Set(cluster.evicting());
          const pass = cluster.pass();
          begun += cluster.evicting().filter((one) => !before.has(one)).length;
          assert(pass.changes.length <= count);
          const isAnyReady = [...cluster.nodes.values()].some(({ status }) =>
            status!.conditions![0]!.status === "True"
          );
          if (!isAnyReady) {
            assertEquals(cluster.evicting(), []);
            // Whoever returns from there begins anew.
            begun = 0;
            since = cluster.now;
          }
          assert(begun <= 2 + (cluster.now - since) / 10_000, `${begun} in ${(cluster.now - since) / 1000} s`);
          // Who is well has no taint.
          for (const node of cluster.nodes.values()) {
            if (node.status!.conditions![0]!.status === "True") assertEquals(node.spec?.taints ?? [], []);
          }
        }
      }
      // Once all is as it should be, nothing is written any more.
      cluster.passes(2_000);
      assertEquals(cluster.pass().changes, []);
    }),
    { numRuns: 60 },
  );
});
