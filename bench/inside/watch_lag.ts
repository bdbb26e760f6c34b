/**
 * How long after the beginning of a write all watchers have heard of it. Reads `Input`, writes milliseconds as JSON:
 * for each write its answer's time and the last watcher's.
 */
import { createHttp2Transport, createResourceClient, loadKubeconfig } from "@k3ts/client";
import { type ConfigMap, resources } from "@k3ts/model";

export interface Input {
  kubeconfig: string;
  watchers: number;
  writes: number;
}

export interface Lag {
  answered: number;
  heard: number;
}

const NAME = "watched";
const MS_MAX = 60_000;

const input: Input = JSON.parse(await new Response(Deno.stdin.readable).text());
const transport = createHttp2Transport(await loadKubeconfig({ path: input.kubeconfig }));
const client = createResourceClient(transport).of<ConfigMap>(resources.configmaps);
const signal = AbortSignal.timeout(MS_MAX);
const namespace = "default";

const made = await client.create({ metadata: { name: NAME }, data: { turn: "" } }, { namespace });
const heard = new Map<string, { left: number; all: PromiseWithResolvers<number> }>();

async function watch(): Promise<void> {
  const { resourceVersion } = made.metadata;
  const events = client.watch({ namespace, fieldSelector: `metadata.name=${NAME}`, resourceVersion, signal });
  for await (const { object } of events) {
    const turn = heard.get(object.data?.turn ?? "");
    if (turn !== undefined && --turn.left === 0) turn.all.resolve(performance.now());
  }
}

for (let index = 0; index < input.watchers; index++) watch().catch(() => {}); // end with this process
const late = new Promise<never>((_, reject) =>
  signal.addEventListener("abort", () => reject(new Error(`the watchers did not hear all within ${MS_MAX / 1000} s`)))
);
const lags: Lag[] = [];
for (let index = 0; index < input.writes; index++) {
  const turn = String(index);
  const all = Promise.withResolvers<number>();
  heard.set(turn, { left: input.watchers, all });
  const begin = performance.now();
  const patch = { data: { turn } };
  const answered = client.patch(NAME, { namespace, type: "merge", patch }).then(() => performance.now() - begin);
  const last = await Promise.race([all.promise, late]);
  // The first finds watches that have just begun.
  if (index > 0) lags.push({ answered: await answered, heard: last - begin });
  heard.delete(turn);
}
await client.delete(NAME, { namespace });
console.log(JSON.stringify(lags));
Deno.exit(0);
