/**
 * Starts pods and takes the times at which a watcher hears of each step. Reads `Input`, writes `PodTimes[]`.
 */
import { createHttp2Transport, createResourceClient, loadKubeconfig } from "@k3ts/client";
import { type Pod, resources } from "@k3ts/model";
import { sleeper } from "../workload.ts";

export interface Input {
  kubeconfig: string;
  count: number;
  /** All created at once, else each after the one before runs. */
  together: boolean;
}

/** Milliseconds after the call that created the pod (one by one) or the first pod (together). */
export interface PodTimes {
  created: number;
  bound: number;
  running: number;
}

const MS_MAX = 120_000;

const input: Input = JSON.parse(await new Response(Deno.stdin.readable).text());
const transport = createHttp2Transport(await loadKubeconfig({ path: input.kubeconfig }));
const client = createResourceClient(transport).of<Pod>(resources.pods);
const signal = AbortSignal.timeout(MS_MAX);

const steps = new Map<string, Partial<Record<"bound" | "running" | "gone", PromiseWithResolvers<number>>>>();

function step(name: string, what: "bound" | "running" | "gone"): PromiseWithResolvers<number> {
  const of = steps.get(name) ?? {};
  steps.set(name, of);
  return of[what] ??= Promise.withResolvers<number>();
}

const { resourceVersion } = await client.list({ namespace: "default" });
const watching = (async () => {
  for await (const { type, object } of client.watch({ namespace: "default", resourceVersion, signal })) {
    const now = performance.now();
    const { name } = object.metadata;
    if (type === "DELETED") step(name, "gone").resolve(now);
    if (object.spec?.nodeName) step(name, "bound").resolve(now);
    if (object.status?.phase === "Running") step(name, "running").resolve(now);
  }
})();
watching.catch(() => {}); // ends with this process

async function one(name: string, begin: number): Promise<PodTimes> {
  await client.create(sleeper(name), { namespace: "default" });
  const created = performance.now();
  const [bound, running] = await Promise.all([step(name, "bound").promise, step(name, "running").promise]);
  return { created: created - begin, bound: bound - begin, running: running - begin };
}

async function remove(name: string): Promise<void> {
  await client.delete(name, { namespace: "default", gracePeriodSeconds: 0 });
  await step(name, "gone").promise;
}

const late = new Promise<never>((_, reject) =>
  signal.addEventListener("abort", () => reject(new Error(`not all pods ran within ${MS_MAX / 1000} s`)))
);
const names = Array.from({ length: input.count }, (_, index) => `bench-${index}`);
const times: PodTimes[] = [];
if (input.together) {
  const begin = performance.now();
  times.push(...await Promise.race([Promise.all(names.map((name) => one(name, begin))), late]));
} else {
  for (const name of names) times.push(await Promise.race([one(name, performance.now()), late]));
}
// All at the end: what one leaves behind would slow the next one down.
await Promise.race([Promise.all(names.map(remove)), late]);
console.log(JSON.stringify(times));
Deno.exit(0);
