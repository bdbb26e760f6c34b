import { equal, match, ok } from "node:assert/strict";
import { type PacketTable, planChange } from "./packet_table.ts";

function table(
  chains: Record<string, string[]>,
  elements: Record<string, string> = {},
  sets: string[] = [],
): PacketTable {
  return {
    chains: new Map(Object.entries(chains).map(([name, rules]) => [name, { rules }])),
    maps: new Map([["m", { type: "inet_service", elements: new Map(Object.entries(elements)) }]]),
    sets: new Map(sets.map((name) => [name, { seconds: 60 }])),
  };
}

Deno.test("where nothing has changed nothing is done", () => {
  const one = table({ a: ["accept"] }, { 80: "goto a" }, ["s"]);
  equal(planChange("t", one, structuredClone(one)), "");
});

Deno.test("only what has changed is touched", () => {
  const change = planChange("t", table({ a: ["accept"], b: ["drop"] }, { 80: "goto a", 81: "goto b" }, ["s"]), {
    ...table({ a: ["accept"], b: ["accept"] }, { 80: "goto a", 82: "goto b" }, ["s"]),
  });
  equal(
    change,
    [
      "table ip t",
      "delete element ip t m { 81 : goto b }",
      "flush chain ip t b",
      "add rule ip t b accept",
      "add element ip t m { 82 : goto b }",
      "",
    ].join("\n"),
  );
});

Deno.test("what goes is let go of before it is deleted, what comes is there before it is used", () => {
  const change = planChange(
    "t",
    table({ old: ["drop"] }, { 80: "goto old" }),
    table({ new: ["drop"] }, { 80: "goto new" }),
  );
  const at = (text: string) => {
    ok(change.includes(text), change);
    return change.indexOf(text);
  };
  ok(at("delete element ip t m { 80 : goto old }") < at("delete chain ip t old"));
  ok(at("add chain ip t new") < at("add element ip t m { 80 : goto new }"));
});

Deno.test("of a table that is not known everything is replaced", () => {
  match(planChange("t", undefined, table({ a: ["accept"] })), /^table ip t\ndelete table ip t\ntable ip t\n/);
});
