/**
 * Puts out the pod that holds the most when the node's disk is nearly full (docs: "Node-pressure Eviction"). It needs
 * nothing from the server, whose own disk it may be.
 */
import { statfs } from "node:fs/promises";
import { delay } from "@k3ts/client";
import type { Pod } from "@k3ts/model/objects";
import { RESERVED } from "../node/pressure.ts";
import { amountOf } from "./amount.ts";
import { isRunning } from "./container_rules.ts";
import { type DiskParts, type DiskUse, measureDiskUse } from "./disk_limits.ts";
import { podName } from "./text.ts";

const LOOK_MS = 10_000;
const STORAGE = "ephemeral-storage";
/** Of the whole disk. A pod that holds less would be put out for what others have filled, and the disk stay full. */
const SHARE_MIN = 0.02;
/** From here on pods are part of the system (scheduling.k8s.io, system-cluster-critical): they stay. */
const PRIORITY_CRITICAL = 2_000_000_000;

/** In bytes. */
export interface Disk {
  capacity: number;
  available: number;
}

export interface Holder {
  pod: Pod;
  use: DiskUse;
}

/**
 * First whoever holds more than it asked for, then the least important, then who holds the most beyond what it asked
 * for, as the kubelet ranks them. Pure.
 *
 * @returns undefined when there is room enough, or nobody holds so much that its end would help
 */
export function chooseEviction(
  holders: readonly Holder[],
  disk: Disk,
): { uid: string; message: string } | undefined {
  const threshold = disk.capacity * RESERVED.disk;
  if (disk.available >= threshold) return undefined;
  const [first] = holders.map(({ pod, use }) => ({
    pod,
    use,
    held: sum(use.volumes.values()) + sum(use.containers.values()),
    asked: sum((pod.spec?.containers ?? []).map(({ resources }) => amountOf(resources?.requests?.[STORAGE] ?? "0"))),
    priority: pod.spec?.priority ?? 0,
  })).filter(({ held, priority }) => held >= disk.capacity * SHARE_MIN && priority < PRIORITY_CRITICAL)
    .sort((a, b) =>
      Number(b.held > b.asked) - Number(a.held > a.asked) || a.priority - b.priority ||
      (b.held - b.asked) - (a.held - a.asked)
    );
  if (first === undefined) return undefined;
  const message = `The node was low on resource: ${STORAGE}. Threshold quantity: ${kibibytes(threshold)}, ` +
    `available: ${kibibytes(disk.available)}. ${greed(first)}`;
  return { uid: first.pod.metadata.uid, message };
}

/** What each container holds beyond what it asked for, in the kubelet's words. */
function greed({ pod, use }: Holder): string {
  return (pod.spec?.containers ?? []).map(({ name, resources }) => {
    const held = use.containers.get(name) ?? 0;
    const asked = resources?.requests?.[STORAGE] ?? "0";
    return held <= amountOf(asked)
      ? ""
      : `Container ${name} was using ${kibibytes(held)}, request is ${asked}, has larger consumption of ${STORAGE}. `;
  }).join("");
}

/** Runs until the signal fires. */
export async function watchDiskPressure(parts: DiskParts): Promise<void> {
  const { paths, table, signal, log } = parts;
  const evicted = new Set<string>();
  while (!signal.aborted) {
    try {
      const pods = parts.pods();
      for (const uid of evicted) if (!pods.some(({ metadata }) => metadata.uid === uid)) evicted.delete(uid);
      // What the last one held is counted first.
      const isLeaving = [...evicted].some((uid) => table.of(uid).some(isRunning));
      const { bavail, blocks, bsize } = await statfs(paths.dataDir);
      const disk = { capacity: blocks * bsize, available: bavail * bsize };
      if (!isLeaving && disk.available < disk.capacity * RESERVED.disk) {
        const holders: Holder[] = [];
        for (const pod of pods.filter(({ metadata: { uid } }) => !evicted.has(uid) && table.of(uid).some(isRunning))) {
          holders.push({ pod, use: await measureDiskUse(parts, pod) });
        }
        const chosen = chooseEviction(holders, disk);
        if (chosen !== undefined) {
          const { pod } = holders.find(({ pod }) => pod.metadata.uid === chosen.uid)!;
          log.warn("A pod is put out as the disk is nearly full", { pod: podName(pod), why: chosen.message });
          evicted.add(chosen.uid);
          parts.evict(chosen.uid, { reason: "Evicted", message: chosen.message });
        }
      }
    } catch (error) {
      log.error("Cannot look after the room on the disk", error);
    }
    await delay(LOOK_MS, signal).catch(() => {}); // the end
  }
}

function sum(numbers: Iterable<number>): number {
  return [...numbers].reduce((all, one) => all + one, 0);
}

function kibibytes(bytes: number): string {
  return `${Math.floor(bytes / 1024)}Ki`;
}
