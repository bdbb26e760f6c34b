/**
 * `deno task bench [NAME…]`: measures k3ts on this machine beside its peers, which take turns with it. Needs root and
 * what `deno task setup --for-tests` puts in place; the peers are made when they are not there (`deno task peers`).
 *
 * Exit: 0, or 1 when a goal is missed beyond noise or a benchmark cannot be run, or 2 when it was not asked for rightly.
 */
import { wholeNumber } from "@k3ts/tools/options";
import { CACHE } from "@k3ts/tools/paths";
import { parseArgs } from "node:util";
import { api } from "./benchmarks/api.ts";
import { dns } from "./benchmarks/dns.ts";
import { fanout } from "./benchmarks/fanout.ts";
import { gateway } from "./benchmarks/gateway.ts";
import { idle } from "./benchmarks/idle.ts";
import { lists } from "./benchmarks/lists.ts";
import { newCluster } from "./benchmarks/new.ts";
import { pods } from "./benchmarks/pods.ts";
import { services } from "./benchmarks/services.ts";
import { start, startLarge } from "./benchmarks/start.ts";
import { store } from "./benchmarks/store.ts";
import type { Benchmark, Parameters, Run } from "./core/benchmark.ts";
import { renderTerminal } from "./core/render.ts";
import { summarize } from "./core/summary.ts";
import { keepRun, writeDocument } from "./history.ts";
import { describeMachine } from "./machine.ts";
import { runBenchmark } from "./runner.ts";

const BENCHMARKS: readonly Benchmark[] = [
  api,
  lists,
  fanout,
  pods,
  idle,
  dns,
  services,
  gateway,
  newCluster,
  start,
  startLarge,
  store,
];

const USAGE = `deno task bench [NAME…] [options]: all, or those with these names
  --list            says what there is
  --quick           few rounds and small parameters: to see that it works, never for the documentation
  --rounds N        turns of each side
  --set NAME=N      one parameter of the benchmarks that have it; may be repeated
  --self            our side against itself: what is found is noise
  --write           adds the runs to bench/history/ and renews docs/benchmarks.md
  --json            writes the runs to standard output, a line each, instead of tables`;

interface Arguments {
  benchmarks: Benchmark[];
  quick: boolean;
  self: boolean;
  write: boolean;
  json: boolean;
  rounds?: number;
  parameters: Record<string, number>;
}

function readArguments(words: string[]): Arguments {
  const { values, positionals } = parseArgs({
    args: words,
    allowPositionals: true,
    options: {
      list: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      rounds: { type: "string" },
      set: { type: "string", multiple: true, default: [] },
      self: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help || values.list) {
    console.log(values.help ? USAGE : BENCHMARKS.map(({ name, what }) => `${name.padEnd(10)}${what}`).join("\n"));
    Deno.exit(0);
  }
  const benchmarks = positionals.length === 0 ? [...BENCHMARKS] : positionals.map((name) => {
    const found = BENCHMARKS.find((one) => one.name === name);
    if (found === undefined) {
      throw new RangeError(`There is no benchmark "${name}", only ${BENCHMARKS.map(({ name }) => name).join(", ")}`);
    }
    return found;
  });
  const { rounds, quick, self, write, json } = values;
  if (write && (quick || self)) {
    throw new RangeError("Only whole runs against peers are written: not --quick, not --self");
  }
  const parameters = Object.fromEntries(values.set.map((word) => {
    const [name, text] = word.split("=");
    return [name!, wholeNumber(`--set ${name}`, text ?? "", 1)];
  }));
  for (const name of Object.keys(parameters)) {
    if (!benchmarks.some(({ parameters }) => parameters[name] !== undefined)) {
      throw new RangeError(`None of these benchmarks has the parameter "${name}"`);
    }
  }
  return {
    ...{ benchmarks, quick, self, write, json, parameters },
    ...rounds !== undefined && { rounds: wholeNumber("--rounds", rounds, 1) },
  };
}

/** Those that the benchmark has. */
function having({ parameters }: Benchmark, all: Parameters): Parameters {
  return Object.fromEntries(Object.entries(all).filter(([name]) => parameters[name] !== undefined));
}

let given: Arguments;
try {
  given = readArguments(Deno.args);
} catch (error) {
  console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
  Deno.exit(2);
}

const say = (line: string) => console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);
// Two that measure at the same time measure each other.
await Deno.mkdir(CACHE, { recursive: true });
using lock = await Deno.open(`${CACHE}/bench.lock`, { create: true, write: true });
if (!await lock.tryLock(true)) {
  say("Waits for another run of the benchmarks on this machine");
  await lock.lock(true);
}
// Until now there is nothing to take away, and a signal ends it at once.
const ending = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(name, () => ending.abort(new Error(name)));
if (!given.json) console.log(`${await describeMachine()}\n`);
const runs: Run[] = [];
const failures: string[] = [];
for (const benchmark of given.benchmarks) {
  try {
    const { quick, self, rounds } = given;
    const run = await runBenchmark(benchmark, {
      ...{ quick, self, say, signal: ending.signal },
      ...rounds !== undefined && { rounds },
      parameters: having(benchmark, given.parameters),
      command: [
        "deno task bench",
        ...Deno.args.filter((word) => !BENCHMARKS.some(({ name }) => name === word)),
        benchmark.name,
      ]
        .filter((word) => word !== "--write").join(" "),
    });
    runs.push(run);
    console.log(given.json ? JSON.stringify(run) : `${renderTerminal(run)}\n`);
    if (given.write) await keepRun(run);
  } catch (error) {
    if (ending.signal.aborted) {
      console.error("Interrupted");
      Deno.exit(1);
    }
    failures.push(benchmark.name);
    console.error(`Cannot run the benchmark ${benchmark.name}:`, error);
  }
}
if (given.write) await writeDocument(BENCHMARKS.map(({ name }) => name));
const red = runs.filter((run) => summarize(run).red).map(({ benchmark }) => benchmark);
if (red.length > 0) console.error(`RED: ${red.join(", ")}`);
if (failures.length > 0) console.error(`Not run: ${failures.join(", ")}`);
// Time limits of what has been waited for would keep the process.
Deno.exit(red.length + failures.length === 0 ? 0 : 1);
