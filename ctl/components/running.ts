/** A cluster's processes on this machine, from before they run until they are gone. */
import { backoffMs, delay } from "@k3ts/client";
import type { SupervisorConfig } from "@k3ts/proto";
import { Problem } from "../problem.ts";
import { findSupervisor, startSupervisor, type SupervisorLink, writeConfig } from "./supervisor.ts";

export interface RunOptions {
  dataDir: string;
  native: string;
  config: SupervisorConfig;
}

/** Starts what is not running, takes over what is, as the configuration says. */
export async function start({ dataDir, native, config }: RunOptions): Promise<SupervisorLink> {
  await writeConfig(dataDir, config);
  return await startSupervisor(dataDir, native);
}

/**
 * Starts a new supervisor should this one be killed: it takes over what still runs.
 * @returns when the signal has fired and everything has ended
 */
export async function keepRunning(options: RunOptions, link: SupervisorLink, signal: AbortSignal): Promise<void> {
  let current = link;
  const stopped = new Promise<"stop">((resolve) => {
    if (signal.aborted) resolve("stop");
    signal.addEventListener("abort", () => resolve("stop"), { once: true });
  });
  while (await Promise.race([current.gone.then(() => "gone" as const), stopped]) === "gone") {
    if (await wasStopped(options.dataDir)) throw new Problem("k3ts was stopped from elsewhere.");
    console.error("The supervisor has ended; a new one takes over.");
    const next = await takeOver(options, signal);
    if (next === undefined) return void await stopAll(options.dataDir, options.native);
    current = next;
  }
  await stop(current);
}

/** Most milliseconds between two attempts. */
const AGAIN_MS_MAX = 2_000;

/**
 * Tries until it works: what runs goes on meanwhile, and nobody else would see to it. The first attempt may find the lock
 * of the one that is ending, and a disk may be full.
 * @returns undefined when the signal has fired
 */
async function takeOver({ dataDir, native }: RunOptions, signal: AbortSignal): Promise<SupervisorLink | undefined> {
  for (let failures = 1; !signal.aborted; failures++) {
    try {
      return await startSupervisor(dataDir, native);
    } catch (error) {
      console.error(`No supervisor has started, which is tried again: ${(error as Error).message}`);
    }
    await delay(backoffMs(failures, { maxMs: AGAIN_MS_MAX }), signal).catch(() => {}); // the signal, which is looked at
  }
}

/** Each process has its time to end, which the supervisor sees to; it is waited for a little longer than for all of them. */
const STOP_MS_MAX = 60_000;
const LOOK_EVERY_MS = 10;

/** @returns when the supervisor has gone, as the last of all */
export async function stop(link: SupervisorLink): Promise<void> {
  const { pid } = await link.supervisor.getStatus({});
  const deadline = performance.now() + STOP_MS_MAX;
  await link.supervisor.stop({});
  while (await isRunning(pid)) {
    if (performance.now() > deadline) {
      throw new Problem(`The supervisor has not ended within ${STOP_MS_MAX / 1000} s.`, "Try again: k3ts down");
    }
    await delay(LOOK_EVERY_MS);
  }
  await link[Symbol.asyncDispose]();
}

/** Stops what runs on a data directory, also what a killed supervisor has left. @returns whether anything ran */
export async function stopAll(dataDir: string, native: string): Promise<boolean> {
  const link = await findSupervisor(dataDir) ??
    ((await leftovers(dataDir)).length > 0 ? await startSupervisor(dataDir, native) : undefined);
  if (link === undefined) return false;
  await stop(link);
  return true;
}

/** @throws when somebody already supervises this data directory */
export async function refuseSecond(dataDir: string): Promise<void> {
  await using link = await findSupervisor(dataDir);
  if (link === undefined) return;
  const { pid } = await link.supervisor.getStatus({});
  throw new Problem(
    `k3ts already runs on ${dataDir} (supervisor ${pid}).`,
    "Stop it with `k3ts down`, or use another --data-dir.",
  );
}

interface ProcessRecord {
  pid: number;
  /** Of the kernel, in clock ticks since boot: tells a process from a later one with its number. */
  startTicks: number;
}

/** Processes of an earlier supervisor that still run. */
export async function leftovers(dataDir: string): Promise<number[]> {
  const alive = await Promise.all(
    (await recorded(dataDir)).map(async ({ pid, startTicks }) => await startTicksOf(pid) === startTicks ? [pid] : []),
  );
  return alive.flat();
}

/** A supervisor that was asked to stop leaves no record of processes behind; one that was killed does. */
async function wasStopped(dataDir: string): Promise<boolean> {
  return (await recorded(dataDir)).length === 0;
}

/** What the supervisor wrote down; it replaces the file as a whole. */
async function recorded(dataDir: string): Promise<ProcessRecord[]> {
  try {
    const text = await Deno.readTextFile(`${dataDir}/run/processes.json`);
    return (JSON.parse(text) as { processes: ProcessRecord[] }).processes;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return [];
    throw error;
  }
}

async function isRunning(pid: number): Promise<boolean> {
  const stat = await readStat(pid);
  return stat !== undefined && stat.state !== "Z";
}

async function startTicksOf(pid: number): Promise<number | undefined> {
  return (await readStat(pid))?.startTicks;
}

async function readStat(pid: number): Promise<ProcessStat | undefined> {
  const text = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => undefined);
  return text === undefined ? undefined : parseStat(text);
}

interface ProcessStat {
  /** One letter; Z: it has ended, and waits for its parent to learn of it. */
  state: string;
  startTicks: number;
}

/** `/proc/<pid>/stat` (proc(5)), whose second field, in brackets, may hold anything. */
export function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0]!, startTicks: Number(fields[19]) };
}
