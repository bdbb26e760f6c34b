import { deepEqual } from "node:assert/strict";
import { FakeClock } from "@k3ts/model/testing";
import { type Turn, Turns } from "./turns.ts";

const LIMITS = { atOnce: 2, idleMsMax: 500, lengthMsMax: 2_000 };

Deno.test("so many have a turn at a time, and the next comes when one has ended", () => {
  const { begun, ask, turns } = table();
  for (const name of ["a1", "a2", "a3", "a4"]) ask("a", name);
  deepEqual(begun, ["a1", "a2"]);
  turns.get("a2")!.end();
  turns.get("a2")!.end();
  deepEqual(begun, ["a1", "a2", "a3"]);
});

Deno.test("of many who wait, each user has one turn after the other", () => {
  const { begun, ask, turns } = table();
  for (const name of ["a1", "a2", "a3", "a4", "a5"]) ask("a", name);
  ask("b", "b1");
  ask("c", "c1");
  for (const name of ["a1", "a2", "a3", "b1", "c1"]) turns.get(name)!.end();
  deepEqual(begun, ["a1", "a2", "a3", "b1", "c1", "a4", "a5"]);
});

Deno.test("who does nothing with a turn, or has it for long, gives it up when others wait", () => {
  const { begun, ask, turns, clock } = table();
  ask("a", "idle");
  ask("a", "busy");
  clock.advance(10_000);
  ask("b", "b1");
  for (let index = 0; index < 3; index++) {
    turns.get("busy")!.used();
    clock.advance(400);
  }
  deepEqual(begun, ["idle", "busy", "b1"]);
  ask("b", "b2");
  for (let index = 0; index < 10; index++) {
    for (const name of ["busy", "b1"]) turns.get(name)!.used();
    clock.advance(400);
  }
  deepEqual(begun, ["idle", "busy", "b1", "b2"]);
});

Deno.test("nobody loses a turn as the machine's clock is set ahead, or keeps it as it is put back", () => {
  const { begun, ask, turns, clock } = table();
  for (const name of ["a1", "a2", "a3", "a4"]) ask("a", name);
  clock.advance(400);
  for (const name of ["a1", "a2"]) turns.get(name)!.used();
  clock.jump(7_200_000);
  clock.advance(100);
  deepEqual(begun, ["a1", "a2"]);
  clock.jump(-7_200_000);
  clock.advance(500);
  deepEqual(begun, ["a1", "a2", "a3", "a4"]);
});

Deno.test("who has gone while waiting is passed over", () => {
  const { begun, ask, turns } = table();
  for (const name of ["a1", "a2", "a3", "a4"]) ask("a", name);
  turns.get("a3")!.end();
  turns.get("a1")!.end();
  deepEqual(begun, ["a1", "a2", "a4"]);
});

Deno.test("thousands that are over at once do not fill the stack", () => {
  const turns = new Turns(new FakeClock(), LIMITS);
  const held = [turns.ask("a", () => {}), turns.ask("a", () => {})];
  let begun = 0;
  for (let index = 0; index < 20_000; index++) {
    turns.ask("a", (turn) => {
      begun++;
      turn.end();
    });
  }
  held[0]!.end();
  deepEqual(begun, 20_000);
});

function table() {
  const clock = new FakeClock();
  const all = new Turns(clock, LIMITS);
  const begun: string[] = [];
  const turns = new Map<string, Turn>();
  const ask = (user: string, name: string) => {
    turns.set(name, all.ask(user, () => begun.push(name)));
  };
  return { begun, turns, ask, clock };
}
