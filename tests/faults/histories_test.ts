import { deepEqual, equal, match } from "node:assert/strict";
import fc from "fast-check";
import type { EventType } from "./api_clients.ts";
import { checkAgreement, checkOrder, checkState, checkWrites, replayed, type SeenWrite } from "./histories.ts";

const NONE = new Map<string, string>();

/** A history as it can be: of a few objects that come, change and go. */
const histories: fc.Arbitrary<SeenWrite[]> = fc.array(fc.record({ name: fc.nat(3), ends: fc.boolean() })).map(
  (steps) => {
    const there = new Map<string, string>();
    return steps.map(({ name: number, ends }, index) => {
      const name = `w${number}`;
      const had = there.get(name);
      const type: EventType = had === undefined ? "ADDED" : ends ? "DELETED" : "MODIFIED";
      const count = type === "DELETED" ? had! : `${index}`;
      if (type === "DELETED") there.delete(name);
      else there.set(name, count);
      return { type, name, count, revision: 10 + index * 2 };
    });
  },
);
const some = histories.filter(({ length }) => length > 0).chain((seen) =>
  fc.record({ seen: fc.constant(seen), index: fc.nat(seen.length - 1) })
);

Deno.test("a history that is as it was written has nothing wrong", () => {
  fc.assert(fc.property(histories, fc.infiniteStream(fc.boolean()), (seen, dice) => {
    const unknown = seen.filter(() => dice.next().value);
    const acknowledged = seen.filter((write) => !unknown.includes(write));
    deepEqual(checkWrites({ seen, acknowledged, unknown }), { violations: [], made: unknown });
    deepEqual(checkOrder(seen, NONE), []);
    deepEqual(checkState(replayed(seen), replayed(seen)), []);
    deepEqual(checkAgreement(seen, [...seen]), []);
  }));
});

Deno.test("an acknowledged write that is lost is found", () => {
  fc.assert(fc.property(some, ({ seen, index }) => {
    const { violations } = checkWrites({ seen: seen.toSpliced(index, 1), acknowledged: seen, unknown: [] });
    equal(violations.length, 1);
    match(violations[0]!, /was acknowledged and not seen/);
  }));
});

Deno.test("an event that comes twice is found", () => {
  fc.assert(fc.property(some, ({ seen, index }) => {
    const twice = seen.toSpliced(index, 0, seen[index]!);
    match(checkWrites({ seen: twice, acknowledged: seen, unknown: [] }).violations.join(), /was seen 2 times/);
    match(checkOrder(twice, NONE).join(), /came with revision \d+ after/);
  }));
});

Deno.test("a write that nobody made is found", () => {
  fc.assert(fc.property(some, ({ seen, index }) => {
    const { violations } = checkWrites({ seen, acknowledged: seen.toSpliced(index, 1), unknown: [] });
    match(violations.join(), /was seen, which nobody wrote/);
  }));
});

Deno.test("events that changed places are found", () => {
  fc.assert(fc.property(some.filter(({ index }) => index > 0), ({ seen, index }) => {
    const swapped = seen.with(index, seen[index - 1]!).with(index - 1, seen[index]!);
    match(checkOrder(swapped, NONE).join(), /came with revision/);
  }));
});

Deno.test("a gap is found where the next event does not fit, or the end is not what is listed", () => {
  fc.assert(fc.property(some, ({ seen, index }) => {
    const gap = seen.toSpliced(index, 1);
    const found = [...checkOrder(gap, NONE), ...checkState(replayed(gap), replayed(seen))];
    // What was overwritten later leaves no trace in the state: then only the other watcher tells.
    const tells = [...found, ...checkAgreement(gap, seen)];
    equal(tells.length > 0, true);
  }));
  match(checkState(new Map([["a", "1"]]), new Map([["a", "2"]])).join(), /a is 1 for who watched, and 2 in a list/);
  match(checkState(new Map(), new Map([["a", "2"]])).join(), /a is not there for who watched/);
});

Deno.test("a segment goes on from where the one before it ended", () => {
  const before = new Map([["a", "1"]]);
  deepEqual(checkOrder([{ type: "MODIFIED", name: "a", count: "2", revision: 5 }], before), []);
  match(
    checkOrder([{ type: "ADDED", name: "a", count: "2", revision: 5 }], before).join(),
    /came at revision 5 though it was there/,
  );
});
