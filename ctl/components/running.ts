/** A cluster's processes on this machine, from before they run until they are gone. */
import type { SupervisorConfig } from "@k3ts/proto";
import { Problem } from "../problem.ts";
import { findSupervisor, startSupervisor, type SupervisorLink, SupervisorProblem } from "./supervisor.ts";

export interface RunOptions {
  dataDir: string;
  native: string;
  config: SupervisorConfig;
}

/**
 * Starts the processes, and starts a new supervisor should this one be killed: it takes over what still runs.
 * @returns when the signal has fired and everything has ended
 */
export async function keepRunning(options: RunOptions, link: SupervisorLink, signal: AbortSignal): Promise<void> {
  let current = link;
  const stopped = new Promise<"stop">((resolve) => {
    if (signal.aborted) resolve("stop");
    signal.addEventListener("abort", () => resolve("stop"), { once: true });
  });
  while (await Promise.race([current.gone.then(() => "gone" as const), stopped]) === "gone") {
    if (!await wasKilled(options.dataDir)) throw new Problem("k3ts was stopped from elsewhere.");
    console.error("The supervisor has ended; a new one takes over.");
    current = await start(options);
  }
  await stop(current);
}

/** A supervisor that was asked to stop leaves no record of processes behind. */
async function wasKilled(dataDir: string): Promise<boolean> {
  return (await leftovers(dataDir)).length > 0;
}

export async function start({ dataDir, native, config }: RunOptions): Promise<SupervisorLink> {
  try {
    return await startSupervisor(dataDir, native, config);
  } catch (error) {
    if (error instanceof SupervisorProblem) throw new Problem(error.message, undefined, { cause: error });
    throw error;
  }
}

export async function stop(link: SupervisorLink): Promise<void> {
  await link.supervisor.stop({});
  await link.gone;
  await link[Symbol.asyncDispose]();
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
  const text = await Deno.readTextFile(`${dataDir}/run/processes.json`).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  if (text === undefined) return [];
  const records = (JSON.parse(text) as { processes: ProcessRecord[] }).processes;
  const alive = await Promise.all(
    records.map(async ({ pid, startTicks }) => await startTicksOf(pid) === startTicks ? [pid] : []),
  );
  return alive.flat();
}

async function startTicksOf(pid: number): Promise<number | undefined> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`).catch(() => undefined);
  return stat === undefined ? undefined : Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
}
