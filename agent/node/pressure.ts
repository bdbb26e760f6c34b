/** Whether this machine runs short of memory, disk or process numbers (docs: "Node-pressure Eviction"). */
import { statfsSync } from "node:fs";
import type { MonotonicTime } from "@k3ts/model/objects";

/** What is left. */
export interface Headroom {
  memoryBytes: number;
  /** Shares of the whole, 0 to 1. */
  disk: number;
  inodes: number;
  processes: number;
}

export type Pressure = "MemoryPressure" | "DiskPressure" | "PIDPressure";

/** As the kubelet's hard thresholds; a node's pods are promised only what lies above them. */
export const RESERVED = { memoryBytes: 100 * 2 ** 20, disk: 0.1, inodes: 0.05, processes: 0.1 };

/** A pressure that has gone is still told of for so long, lest it come and go (evictionPressureTransitionPeriod). */
const TRANSITION_MS = 300_000;

/** Pure. */
export function pressuresOf(left: Headroom): Pressure[] {
  return [
    ...(left.memoryBytes < RESERVED.memoryBytes ? ["MemoryPressure" as const] : []),
    ...(left.disk < RESERVED.disk || left.inodes < RESERVED.inodes ? ["DiskPressure" as const] : []),
    ...(left.processes < RESERVED.processes ? ["PIDPressure" as const] : []),
  ];
}

/** Remembers when each pressure was last felt. */
export class PressureWatch {
  readonly #felt = new Map<Pressure, MonotonicTime>();

  look(left: Headroom, now: MonotonicTime): ReadonlySet<Pressure> {
    for (const one of pressuresOf(left)) this.#felt.set(one, now);
    return new Set([...this.#felt].filter(([, at]) => now - at < TRANSITION_MS).map(([one]) => one));
  }
}

/** @param directory on the disk that the node's files are on */
export function readHeadroom(directory: string): Headroom {
  const disk = statfsSync(directory);
  const number = (path: string, pattern: RegExp) => Number(pattern.exec(Deno.readTextFileSync(path))?.[1] ?? 0);
  const processesMax = number("/proc/sys/kernel/pid_max", /(\d+)/);
  return {
    memoryBytes: number("/proc/meminfo", /^MemAvailable:\s+(\d+) kB/m) * 1024,
    disk: disk.bavail / Math.max(1, disk.blocks),
    // Some file systems make them as they are needed.
    inodes: disk.files === 0 ? 1 : disk.ffree / disk.files,
    processes: 1 - number("/proc/loadavg", /\d+\/(\d+)/) / Math.max(1, processesMax),
  };
}
