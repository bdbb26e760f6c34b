/**
 * `deno task chaos [--minutes N] [--seed S] [--nodes N] [--faults KIND,…]`: a cluster under load while its processes,
 * disks, cables and clocks fail by a plan that the seed decides. Ends with 1 where something that must hold did not,
 * and tells what, and what happened before.
 */
import { CACHE } from "@k3ts/tools/paths";
import { parseArgs } from "node:util";
import { runChaos } from "./chaos.ts";
import type { FaultKind } from "./plan.ts";

const KINDS: readonly FaultKind[] = ["kill", "pause", "disk", "cut", "delay", "loss", "clock"];

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string" },
    nodes: { type: "string", default: "3" },
    faults: { type: "string" },
  },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const kinds = values.faults?.split(",");
const unknown = kinds?.find((kind) => !KINDS.includes(kind as FaultKind));
if (unknown !== undefined) throw new Error(`--faults must be of ${KINDS.join(", ")}: it has ${unknown}`);
const nodes = Number(values.nodes);
if (!Number.isInteger(nodes) || nodes < 2) throw new Error(`--nodes must be 2 or more: it is ${values.nodes}`);

console.log(`seed ${seed}`);
const { violations, timeline, figures, logs } = await runChaos({
  seed,
  minutes: Number(values.minutes),
  nodes,
  ...(kinds !== undefined && { kinds: kinds as FaultKind[] }),
  log: (text) => console.log(text),
});
for (const figure of figures) console.log(figure);
if (violations.length === 0) {
  console.log("sound");
} else {
  console.log(timeline);
  if (logs !== undefined) {
    await Deno.mkdir(`${CACHE}/chaos`, { recursive: true });
    await Deno.writeTextFile(`${CACHE}/chaos/${seed}.log`, logs);
    console.log(`the ends of all logs: ${CACHE}/chaos/${seed}.log`);
  }
  console.log(`${violations.length} violations, seed ${seed}`);
  Deno.exitCode = 1;
}
