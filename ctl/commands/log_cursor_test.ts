import { equal } from "node:assert/strict";
import fc from "fast-check";
import { LogCursor } from "./log_cursor.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (data: Uint8Array) => new TextDecoder().decode(data);
const at = (time: string, text: string) => `2026-01-01T00:00:0${time}Z ${text}\n`;

Deno.test("lines come out whole, with their times or without", () => {
  const cursor = new LogCursor(false);
  equal(decode(cursor.take(encode(at("1", "one") + "2026-01-01T00"))), "one\n");
  equal(decode(cursor.take(encode(":00:02Z two words\n"))), "two words\n");
  equal(decode(new LogCursor(true).take(encode(at("1", "one")))), at("1", "one"));
});

Deno.test("what has been shown is not shown again, also where several lines have one time", () => {
  const cursor = new LogCursor(false);
  equal(cursor.resume(), undefined);
  cursor.take(encode(at("1", "a") + at("2.5", "b") + at("2.5", "c")));
  equal(cursor.resume(), "2026-01-01T00:00:02.500000000Z");
  const again = at("2.5", "b") + at("2.500", "c") + at("2.5", "d") + at("2.51", "e");
  equal(decode(cursor.take(encode(again))), "d\ne\n");
});

Deno.test("a log that is cut anywhere, any number of times, comes out once", () => {
  const lines = fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.stringMatching(/^[a-z ]{0,5}$/)), {
    maxLength: 12,
  });
  fc.assert(fc.property(lines, fc.array(fc.nat(400), { maxLength: 5 }), (lines, cuts) => {
    const sorted = lines.toSorted(([a], [b]) => a - b);
    const log = sorted.map(([time, text]) => at(`${time}`, text)).join("");
    const cursor = new LogCursor(false);
    let shown = "";
    for (const cut of [...cuts, log.length]) {
      const since = cursor.resume();
      const from = since === undefined ? 0 : log.indexOf(since.replace(".000000000", ""));
      shown += decode(cursor.take(encode(log.slice(from, from + cut))));
    }
    equal(shown, sorted.map(([, text]) => `${text}\n`).join(""));
  }));
});
