/**
 * `deno task bench [NAME…]`: measures k3ts on this machine beside what could be had at best. Needs root, and what
 * `deno task setup` puts in place. Nothing is asserted: the figures are for people, who look at ratios.
 */
import { api } from "./api.ts";
import { describeMachine } from "./machine.ts";
import { memory } from "./memory.ts";
import { pods } from "./pods.ts";
import { render, type Table } from "./report.ts";
import { start } from "./start.ts";
import { store } from "./store.ts";
import { watches } from "./watches.ts";

/** A benchmark yields each table as soon as it has it. */
const BENCHMARKS: Record<string, () => AsyncIterable<Table>> = { start, pods, memory, api, store, watches };

const names = Deno.args.length > 0 ? Deno.args : Object.keys(BENCHMARKS);
const unknown = names.filter((name) => BENCHMARKS[name] === undefined);
if (unknown.length > 0) {
  console.error(`There is no benchmark "${unknown.join(", ")}", only ${Object.keys(BENCHMARKS).join(", ")}.`);
  Deno.exit(2);
}
console.log(`${await describeMachine()}\n`);
for (const name of names) {
  for await (const table of BENCHMARKS[name]!()) console.log(`${render(table)}\n`);
}
// Time limits of what has been waited for would keep the process.
Deno.exit(0);
