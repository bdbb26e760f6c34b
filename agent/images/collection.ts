/**
 * Which images go when the disk fills up or nobody has used them for long (docs: "Garbage collection", container
 * images). Images in use never go.
 */
import { statfs } from "node:fs/promises";
import { delay } from "@k3ts/client";
import type { Log } from "@k3ts/client/telemetry";
import type { Clock, MonotonicTime } from "@k3ts/model/objects";
import type { Images } from "./images.ts";

/** As the kubelet has them. */
export interface CollectionLimits {
  /** Of the disk, in percent: above the first images go until the second is reached. */
  highPercent: number;
  lowPercent: number;
  /** A younger image stays: its pod may be about to start. */
  ageMsMin: number;
  /** What nobody has used for longer goes, however much room there is. Infinity: nothing does. */
  ageMsMax: number;
}

export const LIMITS: CollectionLimits = {
  highPercent: 85,
  lowPercent: 80,
  ageMsMin: 120_000,
  ageMsMax: Infinity,
};

/** For a disk that needs room at once: whatever nobody uses goes. */
const ALL: CollectionLimits = { ...LIMITS, ageMsMax: -1 };

export interface CollectedImage {
  id: string;
  sizeBytes: number;
  inUse: boolean;
  /** When it was last seen in use, or first seen at all. */
  usedAt: MonotonicTime;
  seenAt: MonotonicTime;
}

export interface Disk {
  capacityBytes: number;
  availableBytes: number;
}

export interface CollectionPlan {
  /** Ids, in the order in which they go. */
  remove: string[];
  /** How much more would have to go. */
  missingBytes: number;
}

/** What has not been used for longest goes first. Pure. */
export function planCollection(
  images: readonly CollectedImage[],
  disk: Disk,
  now: MonotonicTime,
  limits: CollectionLimits = LIMITS,
): CollectionPlan {
  const candidates = images.filter((one) => !one.inUse && now - one.seenAt >= limits.ageMsMin)
    .toSorted((a, b) => a.usedAt - b.usedAt || a.seenAt - b.seenAt);
  const remove = candidates.filter((one) => now - one.usedAt > limits.ageMsMax);
  const used = 100 - (disk.availableBytes * 100) / Math.max(1, disk.capacityBytes);
  let missing = used < limits.highPercent
    ? 0
    : (disk.capacityBytes * (100 - limits.lowPercent)) / 100 - disk.availableBytes;
  for (const one of remove) missing -= one.sizeBytes;
  for (const one of candidates) {
    if (missing <= 0) break;
    if (remove.includes(one)) continue;
    remove.push(one);
    missing -= one.sizeBytes;
  }
  return { remove: remove.map((one) => one.id), missingBytes: Math.max(0, Math.ceil(missing)) };
}

const LOOK_MS = 300_000;

export interface CollectionParts {
  images: Pick<Images, "index" | "remove">;
  /** On the disk that matters. */
  directory: string;
  /** Ids of images that a container has, or that a pod names. */
  used(): Set<string>;
  clock: Pick<Clock, "monotonic">;
  /** @default 300,000 */
  lookMs?: number;
  log: Log;
  signal: AbortSignal;
}

export class ImageCollector {
  readonly #parts: CollectionParts;
  /** Not kept: after a restart an image counts as used then, and stays a while longer. */
  readonly #known = new Map<string, { usedAt: MonotonicTime; seenAt: MonotonicTime }>();
  /** One look at a time. */
  #looking: Promise<void> = Promise.resolve();

  constructor(parts: CollectionParts) {
    this.#parts = parts;
  }

  /** Looks now and then until the signal fires. */
  async keep(): Promise<void> {
    const { lookMs = LOOK_MS, signal } = this.#parts;
    while (!signal.aborted) {
      await this.#look(LIMITS);
      await delay(lookMs, signal).catch(() => {});
    }
  }

  /** Removes at once whatever nobody uses, but for what has just come. */
  makeRoom(): Promise<void> {
    return this.#look(ALL);
  }

  #look(limits: CollectionLimits): Promise<void> {
    return this.#looking = this.#looking.then(() => this.#remove(limits)).catch((error) => {
      this.#parts.log.error("Cannot remove images that nobody uses", error);
    });
  }

  async #remove(limits: CollectionLimits): Promise<void> {
    const { images, clock, log } = this.#parts;
    const seen = look(images.index.list(), this.#parts.used(), this.#known, clock.monotonic());
    const { blocks, bavail, bsize } = await statfs(this.#parts.directory);
    const disk = { capacityBytes: blocks * bsize, availableBytes: bavail * bsize };
    const { remove, missingBytes } = planCollection(seen, disk, clock.monotonic(), limits);
    if (remove.length > 0) {
      // Whoever has come to use one meanwhile keeps it.
      const again = this.#parts.used();
      const ids = remove.filter((id) => !again.has(id));
      log.info("Removing images that nobody uses", { images: ids.length });
      await images.remove(new Set(ids));
    }
    if (missingBytes > 0 && limits !== ALL) log.warn("Images that nobody uses make too little room", { missingBytes });
  }
}

function look(
  images: readonly { id: string; sizeBytes: number }[],
  used: ReadonlySet<string>,
  known: Map<string, { usedAt: MonotonicTime; seenAt: MonotonicTime }>,
  now: MonotonicTime,
): CollectedImage[] {
  const ids = new Set(images.map((one) => one.id));
  for (const id of known.keys()) if (!ids.has(id)) known.delete(id);
  return images.map(({ id, sizeBytes }) => {
    const before = known.get(id) ?? { usedAt: now, seenAt: now };
    const after = used.has(id) ? { ...before, usedAt: now } : before;
    known.set(id, after);
    return { id, sizeBytes, inUse: used.has(id), ...after };
  });
}
