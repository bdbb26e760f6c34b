import { equal } from "node:assert/strict";
import fc from "fast-check";
import { isExcused, linesLostBy, type Way } from "./excuses.ts";
import type { Fault } from "./plan.ts";

const FROM = 1_000_000;

/** Whether a failure in the middle of a fault, or after it, is explained. */
function excused(fault: Partial<Fault>, way: Way, { lastsMs = 4_000, afterMs = -2_000 } = {}): boolean {
  const full = { kind: "kill", machine: "n1", atMs: 0, forMs: lastsMs, ...fault } as Fault;
  const happened = [{ fault: full, from: FROM, until: FROM + lastsMs }];
  return isExcused({ way, at: FROM + lastsMs + afterMs }, happened, "n1");
}

Deno.test("a request that leaves its machine may fail while a cable on its way is cut or loses packets", () => {
  for (const kind of ["cut", "loss"] as const) {
    equal(excused({ kind, machine: "n2" }, { from: "n1", to: "n2" }), true);
    equal(excused({ kind, machine: "n2" }, { from: "n2", to: "n1" }), true);
    equal(excused({ kind, machine: "n2" }, { from: "n1", to: "n3" }), false);
    equal(excused({ kind, machine: "n2" }, { from: "n1", to: "n2" }, { afterMs: 6_000 }), false);
  }
});

Deno.test("a request that stays on its machine, or goes to a pod that stays, fails for no other reason", () => {
  fc.assert(fc.property(
    fc.constantFrom<Fault["kind"]>("kill", "pause", "disk", "cut", "delay", "loss", "clock"),
    fc.constantFrom("n1", "n2"),
    fc.constantFrom<Fault["process"]>("supervisor", "gateway", "server", "plugins", "agent", "dataplane"),
    (kind, machine, process) => {
      equal(excused({ kind, machine, process }, { from: "n2", to: "n2" }), false);
      if (kind !== "cut" && kind !== "loss") {
        equal(excused({ kind, machine, process }, { from: "n1", to: "n2" }), false);
      }
    },
  ));
});

Deno.test("nodes that were cut off for long are endpoints again only after a while, and all are when the server was", () => {
  const long = { lastsMs: 30_000, afterMs: 20_000 };
  equal(excused({ kind: "cut", machine: "n2" }, { from: "n1", to: "n2" }, long), true);
  equal(excused({ kind: "cut", machine: "n2" }, { from: "n1", to: "n3" }, long), false);
  equal(excused({ kind: "cut", machine: "n1" }, { from: "n2", to: "n3" }, long), true);
  equal(excused({ kind: "cut", machine: "n1" }, { from: "n2", to: "n2" }, long), false);
});

Deno.test("pods that come and go may be missed by who cannot hear of it, but not for kills or clocks", () => {
  const way = { from: "n1", to: "any" };
  equal(excused({ kind: "pause", process: "agent", machine: "n2" }, way), true);
  equal(excused({ kind: "kill", process: "agent" }, way), false);
  equal(excused({ kind: "clock" }, way), false);
});

Deno.test("names and connects fail only where nobody holds the sockets, or nobody answers for long", () => {
  equal(excused({ kind: "kill", process: "supervisor" }, { from: "n1", to: "dns" }), true);
  equal(excused({ kind: "kill", process: "dataplane" }, { from: "n1", to: "dns" }), false);
  equal(excused({ kind: "pause", process: "dataplane" }, { from: "n1", to: "dns" }, { lastsMs: 2_000 }), false);
  equal(excused({ kind: "pause", process: "dataplane" }, { from: "n1", to: "dns" }, { lastsMs: 9_000 }), true);
  equal(excused({ kind: "kill", process: "gateway" }, { from: "n1", to: "connect" }), false);
  equal(excused({ kind: "kill", process: "supervisor", machine: "n2" }, { from: "n1", to: "connect" }), false);
});

Deno.test("lines of a log are lost only where the disk is full, and only those of that time", () => {
  const full = (machine: string) => ({
    fault: { kind: "disk" as const, machine, atMs: 0, forMs: 4_000 },
    from: FROM,
    until: FROM + 4_000,
  });
  equal(linesLostBy([], "n2"), 0);
  equal(linesLostBy([full("n1")], "n2"), 0);
  equal(linesLostBy([full("n2")], "n2"), 25);
});
