/** What a cluster of one node holds and does while nobody asks it for anything. */
import { delay } from "@k3ts/client";
import { type ProcessName, TestCluster } from "@k3ts/tests/cluster";
import { type Memory, memoryOf, processesWith, usedBetween, useOf } from "@k3ts/tools/processes";
import type { Table } from "./report.ts";
import { provideImage, sleeper } from "./workload.ts";

const SETTLE_MS = 30_000;
const IDLE_MS = 20_000;
const PODS = 20;
const NAMES: ProcessName[] = ["supervisor", "gateway", "server", "plugins", "agent", "dataplane"];

export async function* memory(): AsyncGenerator<Table> {
  await using cluster = await TestCluster.start();
  await pause(SETTLE_MS);
  yield await measure("Idle, no pods", cluster);
  await provideImage(cluster);
  const manifests = Array.from({ length: PODS }, (_, number) => JSON.stringify(sleeper(`idle-${number}`)));
  const created = await cluster.run([cluster.kubectlPath, "create", "-f", "-"], { input: manifests.join("\n---\n") });
  if (created.code !== 0) throw new Error(created.stderr);
  await cluster.kubectl("wait", "--for=condition=Ready", "pod", "--all", "--timeout=120s");
  await pause(SETTLE_MS);
  yield await measure(`Idle, ${PODS} pods that sleep`, cluster);
}

async function measure(title: string, cluster: TestCluster): Promise<Table> {
  const groups: [string, number[]][] = [];
  for (const name of NAMES) groups.push([name, [await cluster.pidOf(name)]]);
  groups.push(["k3ts up (the command itself)", await processesWith("ctl/main.ts", cluster.dataDir)]);
  const shims = await processesWith("k3ts-shim", cluster.dataDir);
  if (shims.length > 0) groups.push([`${shims.length} shims`, shims]);
  const usesOf = () => Promise.all(groups.map(([, pids]) => Promise.all(pids.map(useOf))));
  const before = await usesOf();
  await pause(IDLE_MS);
  const after = await usesOf();
  const sizes = await Promise.all(groups.map(([, pids]) => held(pids)));
  const seconds = IDLE_MS / 1000;
  const rows = groups.map(([name, pids], index) => {
    const used = pids.map((_, each) => usedBetween(before[index]![each]!, after[index]![each]!));
    const share = total(used, "seconds") / seconds * 100;
    return { name, ...sizes[index]!, share, wakes: total(used, "wakeUps") / seconds };
  });
  const fields = ["rss", "pss", "unique", "share", "wakes"] as const;
  const all = {
    name: "all",
    ...Object.fromEntries(fields.map((field) => [field, total(rows, field)])),
  } as typeof rows[0];
  return {
    title: `${title}: after ${SETTLE_MS / 1000} s, over ${seconds} s`,
    columns: ["process", "RSS MB", "PSS MB", "unique MB", "% of a core", "wake-ups/s"],
    rows: [...rows, all].map((row) => [row.name, ...fields.map((field) => row[field].toFixed(1))]),
    notes: ["PSS counts a page that n processes share as 1/n in each; the sum of RSS counts it n times."],
  };
}

async function held(pids: number[]): Promise<Memory> {
  const sizes = await Promise.all(pids.map(memoryOf));
  return { rss: total(sizes, "rss"), pss: total(sizes, "pss"), unique: total(sizes, "unique") };
}

function total<K extends string>(rows: Record<K, number>[], field: K): number {
  return rows.reduce((sum, row) => sum + row[field], 0);
}

function pause(ms: number): Promise<void> {
  return delay(ms, AbortSignal.timeout(ms * 2));
}
