/**
 * `deno task soak [--minutes 30] [--away 10] [--seed S]`: the whole kill matrix on a cluster that is used, and then get,
 * apply, exec and delete in a loop for the rest of the time, in which no process may grow. Beside that, another cluster
 * whose server is away for some minutes (0: none).
 */
import { parseArgs } from "node:util";
import { delay } from "@k3ts/client";
import { positiveNumber, wholeNumber } from "@k3ts/tools/options";
import { memoryOf } from "@k3ts/tools/processes";
import { TestCluster } from "../e2e/cluster.ts";
import { sweepWhenBrokenOff } from "../e2e/sweep.ts";
import { serverAway } from "./away.ts";
import { type Growth, growthOf } from "./flat.ts";
import { UsedCluster } from "./kills.ts";
import { turn } from "./loop.ts";
import { allRounds, PROCESSES, shuffled } from "./matrix.ts";

const SAMPLE_EVERY_MS = 10_000;
/** At a steady pace: the server keeps what changed in the last minutes, which is more after minutes of more turns. */
const TURN_EVERY_MS = 1_000;
const TELL_EVERY_MS = 60_000;
/** All is to be managed again within this time of coming back. */
const MANAGED_MS_MAX = 5_000;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    away: { type: "string", default: "10" },
    seed: { type: "string" },
  },
});
const until = Date.now() + positiveNumber("--minutes", values.minutes) * 60_000;
const seed = wholeNumber("--seed", values.seed ?? `${Math.floor(Math.random() * 2 ** 31)}`, 0);
const complaints: string[] = [];

sweepWhenBrokenOff();
console.log(`seed ${seed}`);
const away = values.away === "0" ? undefined : serverAway(positiveNumber("--away", values.away));
away?.catch(() => {}); // told below
// What is kept for an hour would grow for an hour.
await using cluster = await TestCluster.start("--demo", "--event-ttl", "4m");
await killAll();
const samples = await useUntil();
for (const [name, sizes] of samples) report(name, growthOf(sizes));
await away?.then(
  (requests) => console.log(`server away for ${values.away} min: nothing changed, ${requests} requests answered`),
  (error) => complaints.push(`server away: ${error.message}`),
);
console.log(complaints.length === 0 ? "sound" : complaints.join("\n"));
Deno.exitCode = complaints.length === 0 ? 0 : 1;

async function killAll(): Promise<void> {
  await using used = await UsedCluster.start(cluster);
  for (const round of shuffled(allRounds(), seed)) {
    const { backMs, managedMs } = await used.kill(round);
    const names = round.length === PROCESSES.length ? "all" : round.join(" and ");
    console.log(`${names.padEnd(28)} back after ${ms(backMs)}, managed again ${ms(managedMs)} later`);
    if (managedMs > MANAGED_MS_MAX) complaints.push(`${names}: managed again only after ${ms(managedMs)}`);
  }
  const { seen, failures } = await used.conclude();
  for (const [what, { succeeded, failed }] of Object.entries(seen)) {
    console.log(`${what}: ${succeeded} succeeded, ${failed} failed`);
  }
  console.log(
    `log lines followed: k3ts ${used.k3tsLog.numbers.length}, kubectl ${used.kubectlLog.numbers.length}, none lost`,
  );
  complaints.push(...failures.map(({ at, what, message }) => `${new Date(at).toISOString()} ${what}: ${message}`));
}

/** @returns what each process held, MB, sampled evenly */
async function useUntil(): Promise<Map<string, number[]>> {
  const samples = new Map<string, number[]>(PROCESSES.map((name) => [name, []]));
  let next = Date.now();
  let told = Date.now();
  let turns = 0;
  while (Date.now() < until) {
    const pause = delay(TURN_EVERY_MS);
    await turn(cluster, turns++);
    await pause;
    if (Date.now() < next) continue;
    next = Date.now() + SAMPLE_EVERY_MS;
    for (const [name, sizes] of samples) {
      sizes.push((await memoryOf(await cluster.pidOf(name as typeof PROCESSES[number]))).anonymous);
    }
    if (Date.now() < told + TELL_EVERY_MS) continue;
    told = Date.now();
    const held = [...samples].map(([name, sizes]) => `${name} ${sizes.at(-1)!.toFixed(1)}`);
    console.log(`after ${turns} turns, MB: ${held.join(", ")}`);
  }
  console.log(`${turns} turns of apply, get, exec, logs, delete`);
  return samples;
}

function report(name: string, { early, late, isFlat }: Growth): void {
  console.log(`${name.padEnd(11)} ${early.toFixed(1)} MB early, ${late.toFixed(1)} MB late`);
  if (!isFlat) complaints.push(`${name} grew from ${early.toFixed(1)} to ${late.toFixed(1)} MB`);
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}
