/**
 * What the kernel counts of processor time and memory, read from the texts of its files. Pure.
 *
 * Sources: cgroup-v1 `memory.rst` and `cpuacct.rst`, `cgroup-v2.rst`, proc(5).
 */

export interface Amounts {
  /** Processor time since the beginning, in nanoseconds. */
  cpuNs: number;
  memory: MemoryAmounts;
}

/** In bytes. */
export interface MemoryAmounts {
  usage: number;
  /** What cannot be given back without harm: all but file pages that were not used lately. */
  workingSet: number;
  /** Of no file. */
  rss: number;
  pageFaults: number;
  majorPageFaults: number;
}

export interface CgroupTexts {
  /** v1 `cpuacct.usage`, v2 `cpu.stat`. */
  cpu: string;
  /** v1 `memory.usage_in_bytes`, v2 `memory.current`. */
  usage: string;
  /** `memory.stat` of either. */
  memoryStat: string;
}

/** @throws {TypeError} for texts that are none of a kernel */
export function amountsOfCgroup(version: 1 | 2, { cpu, usage, memoryStat }: CgroupTexts): Amounts {
  const stat = parseLines(memoryStat);
  // With everything below, which v2 never leaves out.
  const field = (name: string) => stat.get(version === 1 ? `total_${name}` : name) ?? 0;
  const bytes = whole(usage, "the memory of a cgroup");
  return {
    cpuNs: version === 1
      ? whole(cpu, "the processor time of a cgroup")
      : whole(String(parseLines(cpu).get("usage_usec") ?? ""), "usage_usec of a cgroup") * 1000,
    memory: {
      usage: bytes,
      workingSet: Math.max(0, bytes - field("inactive_file")),
      rss: field(version === 1 ? "rss" : "anon"),
      pageFaults: field("pgfault"),
      majorPageFaults: field("pgmajfault"),
    },
  };
}

/** `sysconf(_SC_CLK_TCK)` of every architecture that Deno is built for. */
const TICKS_PER_SECOND = 100;

/** @param stat `/proc/stat` @param meminfo `/proc/meminfo` @param vmstat `/proc/vmstat` */
export function amountsOfMachine(stat: string, meminfo: string, vmstat: string): Amounts {
  const [, line = ""] = /^cpu +(.*)$/m.exec(stat) ?? [];
  const [user = 0, nice = 0, system = 0, _idle, _waiting, irq = 0, softirq = 0, steal = 0] = line.split(" ").map(
    Number,
  );
  const busy = whole(String(user + nice + system + irq + softirq + steal), "the processor time of the machine");
  const kilobytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB$`, "m").exec(meminfo)?.[1] ?? 0);
  const usage = (kilobytes("MemTotal") - kilobytes("MemFree")) * 1024;
  const events = parseLines(vmstat);
  return {
    cpuNs: busy * 1e9 / TICKS_PER_SECOND,
    memory: {
      usage,
      workingSet: Math.max(0, usage - kilobytes("Inactive\\(file\\)") * 1024),
      rss: kilobytes("AnonPages") * 1024,
      pageFaults: events.get("pgfault") ?? 0,
      majorPageFaults: events.get("pgmajfault") ?? 0,
    },
  };
}

function parseLines(text: string): Map<string, number> {
  return new Map(
    text.split("\n").flatMap((line) => {
      const [name = "", value = ""] = line.split(" ");
      return /^\d+$/.test(value) ? [[name, Number(value)] as const] : [];
    }),
  );
}

function whole(text: string, what: string): number {
  const value = /^\d+\n?$/.test(text) ? Number(text) : NaN;
  if (!Number.isNaN(value)) return value;
  throw new TypeError(`Cannot read ${what} as it must be a whole number: it is ${JSON.stringify(text)}`);
}
