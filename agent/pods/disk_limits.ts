/**
 * Puts out pods that take more of the node's disk than they said they would (docs: "Local ephemeral storage"). The
 * kernel limits memory and processor time; of the disk somebody has to look.
 */
import type { Client } from "@connectrpc/connect";
import { delay } from "@k3ts/client";
import type { Log } from "@k3ts/client/telemetry";
import type { Pod } from "@k3ts/model/objects";
import type { ImageService } from "@k3ts/proto";
import { type Paths, podPathsOf } from "../paths.ts";
import { amountOf } from "./amount.ts";
import type { ContainerTable } from "./container_table.ts";
import { podName } from "./text.ts";

const LOOK_MS = 10_000;
const STORAGE = "ephemeral-storage";

/** What is to be measured of a pod, and how much it may be. */
export interface DiskLimits {
  volumes: { name: string; limit: string }[];
  containers: { name: string; limit: string }[];
  /** Of all containers and volumes together, where every container has a limit. */
  total?: number;
}

/** Bytes by the name of volume or container. */
export interface DiskUse {
  volumes: ReadonlyMap<string, number>;
  containers: ReadonlyMap<string, number>;
  /** Of all of them. */
  inodes: number;
}

/** Undefined for a pod that has no limit. Pure. */
export function diskLimitsOf(pod: Pod): DiskLimits | undefined {
  const volumes = (pod.spec?.volumes ?? []).flatMap(({ name, emptyDir }) => {
    const limit = emptyDir?.medium === "Memory" ? undefined : emptyDir?.sizeLimit;
    return limit === undefined || amountOf(limit) <= 0 ? [] : [{ name, limit }];
  });
  const all = pod.spec?.containers ?? [];
  const containers = all.flatMap(({ name, resources }) => {
    const limit = resources?.limits?.[STORAGE];
    return limit === undefined ? [] : [{ name, limit }];
  });
  if (volumes.length === 0 && containers.length === 0) return undefined;
  const isWhole = all.length > 0 && containers.length === all.length;
  return {
    volumes,
    containers,
    ...(isWhole && { total: containers.reduce((sum, one) => sum + amountOf(one.limit), 0) }),
  };
}

/** Why the pod must go, in the kubelet's words; undefined when it need not. Pure. */
export function exceeded(limits: DiskLimits, use: Omit<DiskUse, "inodes">): string | undefined {
  for (const { name, limit } of limits.volumes) {
    if ((use.volumes.get(name) ?? 0) > amountOf(limit)) {
      return `Usage of EmptyDir volume "${name}" exceeds the limit "${limit}". `;
    }
  }
  if (limits.total !== undefined) {
    const all = [...use.volumes.values(), ...use.containers.values()].reduce((sum, bytes) => sum + bytes, 0);
    if (all > limits.total) {
      return `Pod ephemeral local storage usage exceeds the total limit of containers ${limits.total}. `;
    }
  }
  for (const { name, limit } of limits.containers) {
    if ((use.containers.get(name) ?? 0) > amountOf(limit)) {
      return `Container ${name} exceeded its local ephemeral storage limit "${limit}". `;
    }
  }
  return undefined;
}

export interface DiskParts {
  paths: Paths;
  native: Pick<Client<typeof ImageService>, "measureDisk">;
  table: Pick<ContainerTable, "of" | "directoryOf">;
  pods(): Pod[];
  evict(uid: string, why: { reason: string; message: string }): void;
  log: Log;
  signal: AbortSignal;
}

/** Runs until the signal fires. */
export async function watchDiskLimits(parts: DiskParts): Promise<void> {
  const { signal, log } = parts;
  while (!signal.aborted) {
    for (const pod of parts.pods()) {
      const limits = diskLimitsOf(pod);
      if (limits === undefined || signal.aborted) continue;
      try {
        const message = exceeded(limits, await measureDiskUse(parts, pod));
        if (message !== undefined) parts.evict(pod.metadata.uid, { reason: "Evicted", message });
      } catch (error) {
        log.error("Cannot measure what a pod has on the disk", error, { pod: podName(pod) });
      }
    }
    await delay(LOOK_MS, signal).catch(() => {});
  }
}

/** Volumes on disk; of each container what it has written to its root, and its log. */
export async function measureDiskUse({ paths, native, table }: DiskParts, pod: Pod): Promise<DiskUse> {
  const { uid } = pod.metadata;
  const own = podPathsOf(paths, uid);
  const volumes = (pod.spec?.volumes ?? []).filter(({ emptyDir }) => emptyDir && emptyDir.medium !== "Memory")
    .map(({ name }) => ({ kind: "volumes" as const, name, path: `${own.volumes}/${name}` }));
  const roots = table.of(uid).map(({ id, container }) => ({
    kind: "containers" as const,
    name: container,
    path: `${table.directoryOf(id)}/upper`,
  }));
  const logs = (pod.spec?.containers ?? []).map(({ name }) => ({
    kind: "containers" as const,
    name,
    path: `${own.logs}/${name}`,
  }));
  const all = [...volumes, ...roots, ...logs];
  const { usages } = await native.measureDisk({ paths: all.map((one) => one.path) });
  const inodes = usages.reduce((sum, usage) => sum + Number(usage.inodes), 0);
  const use = { volumes: new Map<string, number>(), containers: new Map<string, number>(), inodes };
  for (const [at, { kind, name }] of all.entries()) {
    use[kind].set(name, (use[kind].get(name) ?? 0) + Number(usages[at]?.bytes ?? 0));
  }
  return use;
}
