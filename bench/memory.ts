/** What a cluster of one node holds and does while nobody asks it for anything. */
import { delay } from "@k3ts/client";
import { type ProcessName, TestCluster } from "@k3ts/tests/cluster";
import { type Memory, memoryOf, processesWith, runSeconds, wakeUps } from "./processes.ts";
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
  const list = { apiVersion: "v1", kind: "List", items: Array.from({ length: PODS }, (_, n) => sleeper(`idle-${n}`)) };
  const created = await cluster.run([cluster.kubectlPath, "create", "-f", "-"], { input: JSON.stringify(list) });
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
  const before = await Promise.all(groups.map(([, pids]) => use(pids)));
  await pause(IDLE_MS);
  const after = await Promise.all(groups.map(([, pids]) => use(pids)));
  const sizes = await Promise.all(groups.map(([, pids]) => held(pids)));
  const seconds = IDLE_MS / 1000;
  const rows = groups.map(([name], index) => {
    const { rss, pss, unique } = sizes[index]!;
    const run = (after[index]!.run - before[index]!.run) / seconds;
    return { name, rss, pss, unique, share: run * 100, wakes: (after[index]!.wakes - before[index]!.wakes) / seconds };
  });
  const sum = (field: "rss" | "pss" | "unique" | "share" | "wakes") => rows.reduce((all, row) => all + row[field], 0);
  const total = { rss: sum("rss"), pss: sum("pss"), unique: sum("unique"), share: sum("share"), wakes: sum("wakes") };
  return {
    title: `${title}: after ${SETTLE_MS / 1000} s, over ${seconds} s`,
    columns: ["process", "RSS MB", "PSS MB", "unique MB", "% of a core", "wake-ups/s"],
    rows: [...rows, { name: "all", ...total }].map(({ name, rss, pss, unique, share, wakes }) => [
      name,
      ...[rss, pss, unique].map((value) => value.toFixed(1)),
      share.toFixed(2),
      wakes.toFixed(1),
    ]),
    notes: ["PSS counts a page that n processes share as 1/n in each; the sum of RSS counts it n times."],
  };
}

async function use(pids: number[]): Promise<{ run: number; wakes: number }> {
  const uses = await Promise.all(pids.map(async (pid) => ({ run: await runSeconds(pid), wakes: await wakeUps(pid) })));
  return { run: total(uses, "run"), wakes: total(uses, "wakes") };
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
