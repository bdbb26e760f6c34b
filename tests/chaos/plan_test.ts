import { deepEqual, equal, notDeepEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import { describe, endOf, type Fault, FAULT_KINDS, planFaults, type PlanOptions } from "./plan.ts";

const options: fc.Arbitrary<PlanOptions> = fc.record({
  seed: fc.nat(),
  round: fc.nat(50),
  roundMs: fc.integer({ min: 5_000, max: 120_000 }),
  machines: fc.constantFrom(["n1", "n2"], ["n1", "n2", "n3"]),
});

/** Those that are under way at the same time as one of them, and itself. */
function meanwhile(fault: Fault, all: readonly Fault[]): Fault[] {
  return all.filter((other) => other.atMs <= fault.atMs && endOf(other) >= fault.atMs);
}

Deno.test("a seed decides all of a plan, and another seed another one", () => {
  fc.assert(fc.property(options, (given) => {
    deepEqual(planFaults(given), planFaults(given));
  }));
  const given = { round: 0, roundMs: 60_000, machines: ["n1", "n2"] };
  notDeepEqual(planFaults({ ...given, seed: 1 }), planFaults({ ...given, seed: 2 }));
  notDeepEqual(planFaults({ ...given, seed: 1 }), planFaults({ ...given, seed: 1, round: 1 }));
});

Deno.test("faults come in order, are over in time, and only a few are under way at once", () => {
  fc.assert(fc.property(options, (given) => {
    const faults = planFaults(given);
    faults.forEach((fault, index) => {
      ok(fault.atMs >= (faults[index - 1]?.atMs ?? 0));
      ok(endOf(fault) <= given.roundMs);
      ok(meanwhile(fault, faults).length <= 3);
    });
  }));
});

Deno.test("nothing is at fault twice in the same way at the same time", () => {
  fc.assert(fc.property(options, (given) => {
    const faults = planFaults(given);
    for (const fault of faults) {
      const same = meanwhile(fault, faults).map(({ kind, machine, process }) => `${kind} ${machine} ${process}`);
      equal(new Set(same).size, same.length);
    }
  }));
});

Deno.test("only the first machine has a server that can fail", () => {
  fc.assert(fc.property(options, (given) => {
    for (const { machine, process } of planFaults(given)) {
      ok(machine === "n1" || (process !== "server" && process !== "plugins"));
    }
  }));
});

Deno.test("ten rounds have every kind of fault", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const faults = Array.from(
        { length: 10 },
        (_, round) => planFaults({ seed, round, roundMs: 60_000, machines: ["n1", "n2"] }),
      ).flat();
      deepEqual(new Set(faults.map(({ kind }) => kind)), new Set(FAULT_KINDS));
    }),
    { numRuns: 50 },
  );
});

Deno.test("a fault is told in words", () => {
  equal(
    describe({ kind: "pause", machine: "n2", atMs: 0, forMs: 3140, process: "agent" }),
    "n2: agent paused for 3.1 s",
  );
  equal(
    describe({ kind: "loss", machine: "n1", atMs: 0, forMs: 5000, loss: 0.125 }),
    "n1: cable loses 12.5 % for 5.0 s",
  );
});
