/** What this machine is, read from the kernel. */
import { statfs } from "node:fs/promises";
import type { NodeSystemInfo } from "@k3ts/model/objects";
import { readTextIfThere } from "../files.ts";

export interface MachineFacts {
  cpuCores: number;
  memoryBytes: number;
  diskBytes: number;
  /** Of the interface that leads out; loopback's when there is none. */
  address: string;
  bootId: string;
  info: Omit<NodeSystemInfo, "containerRuntimeVersion" | "kubeletVersion" | "kubeProxyVersion">;
}

/** @param nodeIp what a person has said that the address is */
export async function readMachineFacts(dataDir: string, nodeIp?: string): Promise<MachineFacts> {
  const [memory, routes, bootId, release, kernel, machineId, productId] = await Promise.all([
    Deno.readTextFile("/proc/meminfo"),
    readTextIfThere("/proc/net/route"),
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
    address: nodeIp ?? addressOf(routes ?? "", Deno.networkInterfaces()),
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

/**
 * The IPv4 address of the interface of the default route.
 *
 * @param routes /proc/net/route
 */
export function addressOf(
  routes: string,
  interfaces: readonly { name: string; family: string; address: string }[],
): string {
  const outward = routes.split("\n").map((line) => line.split("\t")).find((row) =>
    row[1] === "00000000" && row[7] === "00000000"
  );
  const usable = interfaces.filter((one) =>
    one.family === "IPv4" && !one.address.startsWith("127.") && !/^k3(ts0|v)/.test(one.name)
  );
  return (usable.find((one) => one.name === outward?.[0]) ?? usable[0])?.address ?? "127.0.0.1";
}
