/** What a machine holds for the pods that it has: as much when they are the same again. */
import { memoryOf } from "@k3ts/tools/processes";
import type { TestMachine } from "../e2e/machine.ts";
import { cgroupsOf, processesOf } from "../e2e/sweep.ts";

/** Names of what there is, by kind. */
export type Holdings = Readonly<Record<string, readonly string[]>>;

/** Own memory of each of our processes, MB. */
export type Sizes = Readonly<Record<string, number>>;

/** A process may hold this much more than after the first round, or as many times as much. */
const MORE_MB_MAX = 150;
const TIMES_MAX = 2;

export async function holdingsOf(machine: TestMachine): Promise<Holdings> {
  const { dataDir } = machine;
  const node = `${dataDir}/node`;
  return {
    mounts: await machine.mounts(),
    interfaces: await machine.links(),
    cgroups: (await Promise.all((await cgroupsOf(machine.test, machine.name)).map(foldersBelow))).flat(),
    containers: await namesIn(`${node}/containers`),
    sandboxes: await namesIn(`${node}/sandboxes`),
    "pods' folders": await namesIn(`${node}/pods`),
    "pods on disk": await namesIn(`${node}/state/pods`),
    addresses: Object.keys(JSON.parse(await Deno.readTextFile(`${node}/addresses.json`).catch(none) ?? "{}")),
    processes: await programsOf(machine),
  };
}

/** Of several machines, as one. Pure. */
export function together(all: readonly Holdings[]): Holdings {
  const sum: Record<string, string[]> = {};
  for (const one of all) for (const [kind, names] of Object.entries(one)) (sum[kind] ??= []).push(...names);
  return sum;
}

/** Kinds of which there is more, or less, than there was. Pure. */
export function compareHoldings(before: Holdings, now: Holdings): string[] {
  return Object.keys(before).filter((kind) => before[kind]!.length !== now[kind]!.length).map((kind) => {
    const had = new Set(before[kind]);
    const has = new Set(now[kind]);
    const added = now[kind]!.filter((name) => !had.has(name));
    const gone = before[kind]!.filter((name) => !has.has(name));
    return `${kind}: ${before[kind]!.length} before and ${now[kind]!.length} now; new: ${added}; gone: ${gone}`;
  });
}

export async function sizesOf(machine: TestMachine, names: readonly Parameters<TestMachine["pidOf"]>[0][]) {
  const sizes: Record<string, number> = {};
  for (const name of names) sizes[name] = (await memoryOf(await machine.pidOf(name))).anonymous;
  return sizes;
}

/** Pure. */
export function compareSizes(before: Sizes, now: Sizes): string[] {
  return Object.keys(before).filter((name) =>
    now[name]! > Math.max(before[name]! * TIMES_MAX, before[name]! + MORE_MB_MAX)
  )
    .map((name) =>
      `${name} holds ${now[name]!.toFixed(0)} MB, and held ${before[name]!.toFixed(0)} MB after the first round`
    );
}

async function namesIn(folder: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(folder)).catch(none) ?? [];
  return entries.map(({ name }) => name).sort();
}

/** Of what is not there, as nothing is. */
function none(error: unknown): undefined {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

async function foldersBelow(path: string): Promise<string[]> {
  const folders = (await Array.fromAsync(Deno.readDir(path))).filter(({ isDirectory }) => isDirectory);
  const below = await Promise.all(folders.map(({ name }) => foldersBelow(`${path}/${name}`)));
  return [path, ...below.flat()];
}

/** Of its data directory, its cgroups and its network: names, with the numbers of processes. */
async function programsOf(machine: TestMachine): Promise<string[]> {
  const pids = await processesOf(machine.test, machine.name);
  const names = await Promise.all(pids.map(async (pid) => {
    const name = await Deno.readTextFile(`/proc/${pid}/comm`).catch(() => undefined); // ended meanwhile
    return name === undefined ? [] : [`${name.trim()} ${pid}`];
  }));
  return names.flat();
}
