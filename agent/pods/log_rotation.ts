/**
 * Keeps logs from filling the disk: one that has grown too large is renamed, and the shim begins a new one with the
 * next line (Kubernetes documentation: "Log rotation"; containerLogMaxSize, containerLogMaxFiles).
 */
import { basename, dirname } from "node:path";
import { delay } from "@k3ts/client";
import type { Log } from "@k3ts/client/telemetry";
import { namesIn, removeIfThere } from "../files.ts";
import { logPathOf, type Paths, podPathsOf } from "../paths.ts";
import type { ContainerTable } from "./container_table.ts";

const BYTES_MAX = 10 * 1024 * 1024;
/** The one that is written to among them. */
const FILES_MAX = 5;
const LOOK_MS = 10_000;

/** Runs until the signal fires. */
export async function rotateLogs(
  paths: Paths,
  table: Pick<ContainerTable, "all">,
  now: () => number,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    for (const one of table.all()) {
      if (one.state !== "running") continue;
      const path = logPathOf(podPathsOf(paths, one.podUid), one.container, one.attempt);
      await rotateIfLarge(path, BYTES_MAX, now()).catch((error) => log.error("Cannot rotate a log", error, { path }));
    }
    await delay(LOOK_MS, signal).catch(() => {});
  }
}

/** @returns whether it was large */
export async function rotateIfLarge(path: string, bytesMax: number, now: number): Promise<boolean> {
  const stat = await Deno.stat(path).catch(() => undefined);
  if (stat === undefined || stat.size <= bytesMax) return false;
  const suffix = new Date(now).toISOString().replace(/[-:TZ.]/g, "");
  await Deno.rename(path, `${path}.${suffix}`);
  const directory = dirname(path);
  const old = (await namesIn(directory)).filter((name) => name.startsWith(`${basename(path)}.`));
  // Their names sort by time.
  for (const name of old.slice(0, Math.max(0, old.length - (FILES_MAX - 1)))) {
    await removeIfThere(`${directory}/${name}`);
  }
  return true;
}
