/**
 * `deno task chaos`: a cluster under load while its processes, disks, cables and clocks fail by a plan that the seed
 * decides. Ends with 1 where something that must hold did not, and tells what, and what happened before; with 2 for
 * options that make no sense.
 */
import { positiveNumber, wholeNumber } from "@k3ts/tools/options";
import { CACHE } from "@k3ts/tools/paths";
import { parseArgs } from "node:util";
import { sweepWhenBrokenOff } from "../e2e/sweep.ts";
import { type ChaosOptions, runChaos } from "./chaos.ts";
import { FAULT_KINDS, type FaultKind } from "./plan.ts";

const USAGE = `deno task chaos [options]
  --minutes N      how long things fail (default 10)
  --seed S         decides what fails when (default: another one each time)
  --nodes N        machines of the cluster, each a node (default 3, at least 2)
  --faults KIND,…  only these, of ${FAULT_KINDS.join(", ")}`;

/** @throws {TypeError} naming what is wrong */
function readOptions(args: string[]): ChaosOptions {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: "string", default: "10" },
      seed: { type: "string", default: `${Math.floor(Math.random() * 2 ** 31)}` },
      nodes: { type: "string", default: "3" },
      faults: { type: "string" },
    },
  });
  const kinds = values.faults?.split(",");
  const unknown = kinds?.find((kind) => !FAULT_KINDS.includes(kind as FaultKind));
  if (unknown !== undefined) throw new TypeError(`--faults must be of ${FAULT_KINDS.join(", ")}: it has "${unknown}"`);
  return {
    seed: wholeNumber("--seed", values.seed, 0),
    minutes: positiveNumber("--minutes", values.minutes),
    nodes: wholeNumber("--nodes", values.nodes, 2),
    ...(kinds !== undefined && { kinds: kinds as FaultKind[] }),
    log: (text) => console.log(text),
  };
}

if (Deno.args.includes("--help")) {
  console.log(USAGE);
  Deno.exit(0);
}
let options: ChaosOptions;
try {
  options = readOptions(Deno.args);
} catch (error) {
  if (!(error instanceof TypeError)) throw error;
  console.error(`${error.message}\n${USAGE}`);
  Deno.exit(2);
}
sweepWhenBrokenOff();
const { seed } = options;
console.log(`seed ${seed}`);
const { violations, timeline, figures, logs } = await runChaos(options);
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
