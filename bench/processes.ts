/** What processes hold and use, as the kernel counts it (proc(5)). */

/** The kernel's clock ticks a second, the same on every Linux that Deno runs on. */
const TICKS_PER_SECOND = 100;

export interface Memory {
  /** All in MB (2^20 bytes). */
  rss: number;
  /** What is shared counts by the number of those who share it: it may be added up. */
  pss: number;
  /** What would be given back if only this process ended. */
  unique: number;
}

export async function memoryOf(pid: number): Promise<Memory> {
  const text = await Deno.readTextFile(`/proc/${pid}/smaps_rollup`);
  const field = (name: string) => Number(text.match(new RegExp(`^${name}:\\s+(\\d+) kB`, "m"))?.[1] ?? 0) / 1024;
  return { rss: field("Rss"), pss: field("Pss"), unique: field("Private_Dirty") + field("Private_Clean") };
}

/** Seconds of a core that a process has used, its ended children not included. */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Seconds of a core with the resolution of the scheduler, which idle processes need. */
export async function runSeconds(pid: number): Promise<number> {
  let nanoseconds = 0;
  for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
    const text = await Deno.readTextFile(`/proc/${pid}/task/${name}/schedstat`).catch(() => "0");
    nanoseconds += Number(text.split(" ")[0]);
  }
  return nanoseconds / 1e9;
}

/** How often its threads gave up a core because they had nothing to do: each is a wake-up. */
export async function wakeUps(pid: number): Promise<number> {
  let count = 0;
  for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
    const status = await Deno.readTextFile(`/proc/${pid}/task/${name}/status`).catch(() => "");
    count += Number(status.match(/^voluntary_ctxt_switches:\s+(\d+)/m)?.[1] ?? 0);
  }
  return count;
}

/** The processes whose command line has these words, oldest first. */
export async function processesWith(...words: string[]): Promise<number[]> {
  const found: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const command = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    if (words.every((word) => command.includes(word))) found.push(Number(name));
  }
  return found.sort((a, b) => a - b);
}
