/** What processes hold and use, as the kernel counts it (proc(5)). */

export interface Memory {
  /** All in MB (2^20 bytes). */
  rss: number;
  /** What is shared counts by the number of those who share it: it may be added up. */
  pss: number;
  /** Its own, without pages of files, which count for more or less as others run the same program. */
  anonymous: number;
}

export async function memoryOf(pid: number): Promise<Memory> {
  const text = await Deno.readTextFile(`/proc/${pid}/smaps_rollup`);
  const field = (name: string) => Number(text.match(new RegExp(`^${name}:\\s+(\\d+) kB`, "m"))?.[1] ?? 0) / 1024;
  return { rss: field("Rss"), pss: field("Pss"), anonymous: field("Anonymous") };
}

/** What a thread has used up to now: seconds of a core, and how often it gave a core up as it had nothing to do. */
export interface Use {
  seconds: number;
  wakeUps: number;
}

/** By thread, with the resolution of the scheduler, which idle processes need. */
export async function useOf(pid: number): Promise<Map<string, Use>> {
  const threads = new Map<string, Use>();
  for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
    const task = `/proc/${pid}/task/${name}`;
    // A thread may have ended meanwhile.
    const [times, status] = await Promise.all(
      [`${task}/schedstat`, `${task}/status`].map((path) => Deno.readTextFile(path).catch(() => "")),
    );
    if (times === "" || status === "") continue;
    threads.set(name, {
      seconds: Number(times!.split(" ")[0]) / 1e9,
      wakeUps: Number(status!.match(/^voluntary_ctxt_switches:\s+(\d+)/m)?.[1] ?? 0),
    });
  }
  return threads;
}

/** What was used in between. Of threads that have ended nothing is known. */
export function usedBetween(before: ReadonlyMap<string, Use>, after: ReadonlyMap<string, Use>): Use {
  const used = { seconds: 0, wakeUps: 0 };
  for (const [thread, { seconds, wakeUps }] of after) {
    used.seconds += seconds - (before.get(thread)?.seconds ?? 0);
    used.wakeUps += wakeUps - (before.get(thread)?.wakeUps ?? 0);
  }
  return used;
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
