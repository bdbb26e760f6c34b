/** What every process of ours tells of itself: memory, processor time, how late its event loop is. */
import process from "node:process";
import type { Metrics } from "./metrics.ts";

const LOOK_EVERY_MS = 500;

/** @param startedAt seconds since the epoch */
export function keepProcessMetrics(metrics: Metrics, startedAt: number = Date.now() / 1000): void {
  const memory = metrics.gauge("process_resident_memory_bytes", "Resident memory.");
  const heap = metrics.gauge("process_heap_bytes", "Memory of the JavaScript heap.", "state");
  const cpu = metrics.counter("process_cpu_seconds_total", "Processor time used, user and system.");
  metrics.gauge("process_start_time_seconds", "When the process started, since the epoch.").set(startedAt);
  const lag = metrics.gauge("process_event_loop_lag_seconds", "The latest that a timer was since it was last asked.");
  let latest = 0;
  let due = performance.now() + LOOK_EVERY_MS;
  const timer = setInterval(() => {
    const now = performance.now();
    latest = Math.max(latest, now - due);
    due = now + LOOK_EVERY_MS;
  }, LOOK_EVERY_MS);
  Deno.unrefTimer(timer);
  metrics.onCollect(() => {
    const { rss, heapUsed, heapTotal } = Deno.memoryUsage();
    const { user, system } = process.cpuUsage();
    memory.set(rss);
    heap.set(heapUsed, { state: "used" });
    heap.set(heapTotal, { state: "total" });
    cpu.count((user + system) / 1e6);
    lag.set(Math.max(0, latest) / 1000);
    latest = 0;
  });
}
