/** The machine that figures are told of, and who else uses it. */
import { delay } from "@k3ts/client";

export async function describeMachine(): Promise<string> {
  const cpu = (await Deno.readTextFile("/proc/cpuinfo")).match(/^model name\s*: (.*)$/m)?.[1] ?? Deno.build.arch;
  const memory = Math.round(Deno.systemMemoryInfo().total / 2 ** 30);
  const load = await loadAverage();
  return `${navigator.hardwareConcurrency} × ${cpu}, ${memory} GiB, Linux ${Deno.osRelease()}, ` +
    `Deno ${Deno.version.deno}, load ${load.toFixed(2)} before`;
}

/** Of the last minute. */
export async function loadAverage(): Promise<number> {
  return Number((await Deno.readTextFile("/proc/loadavg")).split(" ")[0]);
}

/** What the machine has done and could have done until now, in ticks of all cores together (proc(5)). */
export interface Ticks {
  busy: number;
  all: number;
}

export async function ticks(): Promise<Ticks> {
  const line = (await Deno.readTextFile("/proc/stat")).split("\n", 1)[0]!;
  const [user, nice, system, idle, wait, irq, softirq, steal] = line.split(/ +/).slice(1).map(Number) as number[];
  const busy = user! + nice! + system! + irq! + softirq! + steal!;
  return { busy, all: busy + idle! + wait! };
}

/** Seconds of a core that the whole machine was busy for. */
export async function busySeconds(): Promise<number> {
  return (await ticks()).busy / TICKS_PER_SECOND;
}

/** USER_HZ, which Linux keeps at 100 for programs. */
const TICKS_PER_SECOND = 100;

const LOOK_MS = 300;

/** The share of the machine that is busy now, 0 to 1. */
export async function busyShare(signal: AbortSignal): Promise<number> {
  const before = await ticks();
  await delay(LOOK_MS, signal);
  const after = await ticks();
  return after.all === before.all ? 0 : (after.busy - before.busy) / (after.all - before.all);
}
