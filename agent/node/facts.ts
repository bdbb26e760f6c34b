/** What this machine is, read from the kernel. */
import { statfs } from "node:fs/promises";
import type { NodeSystemInfo } from "@k3ts/model/objects";
import { readTextIfThere } from "../files.ts";

export interface MachineFacts {
  cpuCores: number;
  memoryBytes: number;
  diskBytes: number;
  /** Where other nodes reach it; replaced when the machine gets another one. */
  address: string;
  bootId: string;
  info: Omit<NodeSystemInfo, "containerRuntimeVersion" | "kubeletVersion" | "kubeProxyVersion">;
}

/** @param address where others reach this machine */
export async function readMachineFacts(dataDir: string, address: string): Promise<MachineFacts> {
  const [memory, bootId, release, kernel, machineId, productId] = await Promise.all([
    Deno.readTextFile("/proc/meminfo"),
    Deno.readTextFile("/proc/sys/kernel/random/boot_id"),
    readTextIfThere("/etc/os-release"),
    Deno.readTextFile("/proc/sys/kernel/osrelease"),
    readTextIfThere("/etc/machine-id"),
    // Some machines do not let it be read, or have none.
    readTextIfThere("/sys/class/dmi/id/product_uuid").catch(() => undefined),
  ]);
  const disk = await statfs(dataDir);
  return {
    cpuCores: navigator.hardwareConcurrency,
    memoryBytes: memoryOf(memory),
    diskBytes: Number(disk.blocks) * Number(disk.bsize),
    address,
    bootId: bootId.trim(),
    info: {
      machineID: machineId?.trim() ?? "",
      systemUUID: productId?.trim() ?? machineId?.trim() ?? "",
      bootID: bootId.trim(),
      kernelVersion: kernel.trim(),
      osImage: prettyNameOf(release ?? ""),
      operatingSystem: "linux",
      architecture: Deno.build.arch === "aarch64" ? "arm64" : "amd64",
    },
  };
}

/** Of /proc/meminfo, in bytes. */
export function memoryOf(meminfo: string): number {
  return Number(/^MemTotal:\s+(\d+) kB/m.exec(meminfo)?.[1] ?? 0) * 1024;
}

/** Of os-release(5). */
export function prettyNameOf(release: string): string {
  return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(release)?.[1] ?? "Linux";
}
