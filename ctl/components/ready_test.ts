import { deepEqual as assertEquals, equal } from "node:assert/strict";
import { endsAgainAndAgain, lastLines } from "./ready.ts";

Deno.test("a process that was restarted before does not count, one that goes on ending does", () => {
  const before = [{ name: "server", restarts: 7 }, { name: "agent", restarts: 0 }];
  equal(endsAgainAndAgain(before, [{ name: "server", restarts: 9 }, { name: "agent", restarts: 2 }]), undefined);
  equal(endsAgainAndAgain(before, [{ name: "server", restarts: 7 }, { name: "agent", restarts: 3 }]), "agent");
  equal(endsAgainAndAgain([], [{ name: "new", restarts: 3 }]), "new");
});

Deno.test("of a log the last lines are shown, without stacks and repetitions", () => {
  assertEquals(lastLines("a\nb\nError: x\n    at f (y.ts:1:2)\nError: x\n    at f (y.ts:1:2)\nc\n"), [
    "b",
    "Error: x",
    "c",
  ]);
  assertEquals(lastLines("\n"), []);
});
