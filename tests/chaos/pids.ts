/** Whether our processes end by themselves: each end must be one that a fault explains. */
import { delay } from "@k3ts/client";
import type { ProcessName, TestMachine } from "../e2e/machine.ts";

/** A process that is another one than it was: "n1 server". */
export interface Replaced {
  name: string;
  /** When that was seen, milliseconds since the epoch. */
  at: number;
}

const LOOK_EVERY_MS = 500;
/** A kill is seen, and what it killed replaced, within this time. */
const SEEN_MS_MAX = 45_000;

/** Those that nothing has killed. Pure. @param killed "n1 server", with the time */
export function unexplained(replaced: readonly Replaced[], killed: readonly Replaced[]): Replaced[] {
  return replaced.filter(({ name, at }) => {
    const causes = name.endsWith(" plugins") ? [name, name.replace(/plugins$/, "server")] : [name];
    return !killed.some((kill) => causes.includes(kill.name) && kill.at <= at && at - kill.at < SEEN_MS_MAX);
  });
}

/** Looks until the signal fires. @returns what has been replaced meanwhile */
export async function watchProcesses(
  machines: readonly (readonly [TestMachine, readonly ProcessName[]])[],
  signal: AbortSignal,
): Promise<Replaced[]> {
  const known = new Map<string, number>();
  const replaced: Replaced[] = [];
  while (!signal.aborted) {
    for (const [machine, processes] of machines) {
      for (const process of processes) {
        // There is none where it is away just now, or the disk too full to say so.
        const pid = await machine.pidOf(process).catch(() => undefined);
        if (pid === undefined || !await isRunning(pid)) continue;
        const name = `${machine.name} ${process}`;
        const before = known.get(name);
        if (before !== undefined && before !== pid) replaced.push({ name, at: Date.now() });
        known.set(name, pid);
      }
    }
    await delay(LOOK_EVERY_MS, signal).catch(() => {}); // told to stop, which the loop sees
  }
  return replaced;
}

async function isRunning(pid: number): Promise<boolean> {
  return await Deno.stat(`/proc/${pid}`).then(() => true, () => false);
}
