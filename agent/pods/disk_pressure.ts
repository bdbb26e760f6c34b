/**
 * Puts out the pod that holds the most when the node's disk is nearly full (docs: "Node-pressure Eviction"). It needs
 * nothing from the server, whose own disk it may be.
 */
import { statfs } from "node:fs/promises";
import { delay } from "@k3ts/client";
import type { Clock, MonotonicTime, Pod } from "@k3ts/model/objects";
import { isThere } from "../files.ts";
import { RESERVED } from "../node/pressure.ts";
import { podPathsOf } from "../paths.ts";
import { amountOf } from "./amount.ts";
import { isRunning } from "./container_rules.ts";
import { type DiskParts, type DiskUse, measureDiskUse } from "./disk_limits.ts";
import { podName } from "./text.ts";

const LOOK_MS = 10_000;
/** So long a pod that was put out is waited for (podCleanupTimeout). */
const LEAVE_MS_MAX = 30_000;
const STORAGE = "ephemeral-storage";
/** Of the whole disk. A pod that holds less would be put out for what others have filled, and the disk stay full. */
const SHARE_MIN = 0.02;
/** Where little is left, and many have filled the disk together: so little that its end would not be felt. */
const SHARE_MIN_URGENT = 0.001;
/** Of the threshold: with less than this, little is left. */
const URGENT = 0.5;
/** From here on pods are part of the system (scheduling.k8s.io, system-cluster-critical): they stay. */
const PRIORITY_CRITICAL = 2_000_000_000;

export interface Room {
  capacity: number;
  available: number;
}

/** In bytes, and in files. */
export interface Disk {
  bytes: Room;
  /** Of none where the file system makes them as they are needed. */
  inodes: Room;
}

export interface Holder {
  pod: Pod;
  use: DiskUse;
}

export interface Eviction {
  uid: string;
  /** For people. */
  message: string;
}

type Resource = keyof Disk;

/** What there is too little of, room for data first. Pure. */
export function shortagesOf(disk: Disk): Resource[] {
  return (["bytes", "inodes"] as const).filter((one) => disk[one].available < thresholdOf(disk, one));
}

function thresholdOf(disk: Disk, resource: Resource): number {
  return disk[resource].capacity * (resource === "bytes" ? RESERVED.disk : RESERVED.inodes);
}

/**
 * First whoever holds more than it asked for, then the least important, then who holds the most beyond what it asked
 * for, as the kubelet ranks them. Nobody asks for inodes. Pure.
 *
 * @returns undefined when there is room enough, or nobody holds so much that its end would help
 */
export function chooseEviction(
  holders: readonly Holder[],
  disk: Disk,
): Eviction | undefined {
  for (const resource of shortagesOf(disk)) {
    const chosen = chooseFor(resource, holders, disk);
    if (chosen !== undefined) return chosen;
  }
  return undefined;
}

function chooseFor(resource: Resource, holders: readonly Holder[], disk: Disk): Eviction | undefined {
  const { capacity, available } = disk[resource];
  const threshold = thresholdOf(disk, resource);
  const all = holders.map(({ pod, use }) => ({
    pod,
    use,
    held: resource === "inodes" ? use.inodes : sum(use.volumes.values()) + sum(use.containers.values()),
    asked: resource === "inodes" ? 0 : askedOf(pod),
    priority: pod.spec?.priority ?? 0,
  })).filter(({ priority }) => priority < PRIORITY_CRITICAL);
  // Where others have filled it, such as the server, the end of all of them would not help.
  const canHelp = sum(all.map(({ held }) => held)) >= threshold - available;
  const least = capacity * (available < threshold * URGENT && canHelp ? SHARE_MIN_URGENT : SHARE_MIN);
  const [first] = all.filter(({ held }) => held >= least).sort((a, b) =>
    Number(b.held > b.asked) - Number(a.held > a.asked) || a.priority - b.priority ||
    (b.held - b.asked) - (a.held - a.asked)
  );
  if (first === undefined) return undefined;
  const message = resource === "inodes"
    ? `The node was low on resource: inodes. Threshold quantity: ${Math.floor(threshold)}, available: ${available}. `
    : `The node was low on resource: ${STORAGE}. Threshold quantity: ${kibibytes(threshold)}, ` +
      `available: ${kibibytes(available)}. ${greed(first)}`;
  return { uid: first.pod.metadata.uid, message };
}

function askedOf(pod: Pod): number {
  return sum((pod.spec?.containers ?? []).map(({ resources }) => amountOf(resources?.requests?.[STORAGE] ?? "0")));
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

export interface PressureParts extends DiskParts {
  /** Takes away what no pod needs. */
  makeRoom(): Promise<void>;
  clock: Pick<Clock, "monotonic">;
  /** @default 10,000 */
  lookMs?: number;
}

/** Runs until the signal fires. */
export async function watchDiskPressure(parts: PressureParts): Promise<void> {
  const { signal, log, lookMs = LOOK_MS } = parts;
  /** When each was put out. */
  const evicted = new Map<string, MonotonicTime>();
  while (!signal.aborted) {
    try {
      await relieve(parts, evicted);
    } catch (error) {
      log.error("Cannot look after the room on the disk", error);
    }
    await delay(lookMs, signal).catch(() => {}); // the end
  }
}

/** Puts out one pod at most: what its end gives back is counted before the next one. */
async function relieve(parts: PressureParts, evicted: Map<string, MonotonicTime>): Promise<void> {
  const { paths, table, clock, log } = parts;
  const pods = parts.pods();
  for (const uid of evicted.keys()) if (!pods.some(({ metadata }) => metadata.uid === uid)) evicted.delete(uid);
  if (shortagesOf(await readDisk(paths.dataDir)).length === 0) return;
  const leaves = ([uid, since]: [string, MonotonicTime]) =>
    clock.monotonic() - since < LEAVE_MS_MAX &&
    (table.of(uid).some(({ state }) => state !== "retired") || isThere(podPathsOf(paths, uid).volumes));
  if ([...evicted].some(leaves)) return;
  await parts.makeRoom();
  const disk = await readDisk(paths.dataDir);
  if (shortagesOf(disk).length === 0) return;
  const holders: Holder[] = [];
  for (const pod of pods.filter(({ metadata: { uid } }) => !evicted.has(uid) && table.of(uid).some(isRunning))) {
    holders.push({ pod, use: await measureDiskUse(parts, pod) });
  }
  const chosen = chooseEviction(holders, disk);
  if (chosen === undefined) return;
  const { pod } = holders.find(({ pod }) => pod.metadata.uid === chosen.uid)!;
  log.warn("A pod is put out as the disk is nearly full", { pod: podName(pod), why: chosen.message });
  evicted.set(chosen.uid, clock.monotonic());
  parts.evict(chosen.uid, { reason: "Evicted", message: chosen.message });
}

/** The one that the directory is on. */
async function readDisk(directory: string): Promise<Disk> {
  const { bavail, blocks, bsize, files, ffree } = await statfs(directory);
  return {
    bytes: { capacity: blocks * bsize, available: bavail * bsize },
    inodes: { capacity: files, available: ffree },
  };
}

function sum(numbers: Iterable<number>): number {
  return [...numbers].reduce((all, one) => all + one, 0);
}

function kibibytes(bytes: number): string {
  return `${Math.floor(bytes / 1024)}Ki`;
}
