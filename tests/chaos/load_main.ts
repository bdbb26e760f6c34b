/**
 * Clients of an API that things happen to, in a process of their own on one machine: writers who remember what they
 * were told, and watchers who never list. Told what to do by lines of JSON on standard input, answers by lines of JSON.
 *
 *     deno run -A load_main.ts --kubeconfig PATH --url URL --writers N --seed S --from REVISION
 */
import { delay, loadKubeconfig } from "@k3ts/client";
import { TextLineStream } from "@k3ts/tools/lines";
import { parseArgs } from "node:util";
import { Api, type ApiPlace, Broken, type ConfigMap, Watcher, type Write, Writer } from "../faults/api_clients.ts";
import type { SeenWrite } from "../faults/histories.ts";
import { randomFrom } from "../faults/random.ts";

/** What the process is asked. */
export type Command = { command: "pause" } | { command: "resume" } | { command: "reach"; revision: number };

/** Writers rest. What was written since the last time, and a write after all of that. */
export interface Paused {
  acknowledged: Write[];
  unknown: Write[];
  /** Of that last write. */
  revision: number;
  /** What a list says, by selector: names and counts. */
  listed: Record<string, [string, string][]>;
}

/** What watchers have seen since the last time, by selector. */
export interface Reached {
  seen: Record<string, SeenWrite[]>;
  /** The revision that each has come to. */
  revisions: Record<string, number>;
  violations: string[];
}

/** Everything that writers write has a label; some of it has this one at times. */
export const SELECTORS = ["color", "color=red"] as const;

const PACE_MS = 150;
const AGAIN_MS = 300;
const ANSWER_MS_MAX = 15_000;
const WATCH_SECONDS = 10;
/** For a last write, and for watchers to see it: seconds after everything works again. */
const END_SECONDS_MAX = 60;

class Load {
  readonly writers: Writer[];
  readonly watchers: Watcher[];
  readonly violations: string[] = [];
  #writing: Promise<unknown> = Promise.resolve();
  #stop = new AbortController();
  #ends = 0;

  constructor(readonly place: () => ApiPlace, options: { writers: number; seed: number; from: string }) {
    const { writers, seed, from } = options;
    this.writers = Array.from({ length: writers }, (_, id) => new Writer(id, randomFrom(seed + id), PACE_MS));
    this.watchers = SELECTORS.map((selector) => new Watcher(selector, from));
    for (const watcher of this.watchers) void this.#again((api) => watcher.run(api));
  }

  resume(): void {
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    this.#writing = Promise.all(this.writers.map((writer) => this.#again((api) => writer.run(api, signal), signal)));
  }

  async pause(): Promise<Paused> {
    this.#stop.abort();
    await this.#writing;
    const acknowledged = this.writers.flatMap((writer) => writer.acknowledged.splice(0));
    const unknown = this.writers.flatMap((writer) => writer.unknown.splice(0));
    using api = new Api(this.place());
    const deadline = Date.now() + END_SECONDS_MAX * 1000;
    for (;;) {
      const write: Write = { type: "ADDED", name: `end-${this.#ends}`, count: `end.${this.#ends++}` };
      try {
        const revision = await create(api, write);
        const lists = await Promise.all(SELECTORS.map(async (selector) => [selector, await list(api, selector)]));
        acknowledged.push({ ...write, at: Date.now() });
        return { acknowledged, unknown, revision, listed: Object.fromEntries(lists) };
      } catch (error) {
        if (!(error instanceof Broken) || Date.now() > deadline) throw error;
        unknown.push(write);
      }
      await delay(AGAIN_MS);
    }
  }

  async reach(revision: number): Promise<Reached> {
    const deadline = Date.now() + END_SECONDS_MAX * 1000;
    while (this.watchers.some((watcher) => watcher.revision < revision) && Date.now() < deadline) await delay(50);
    const of = <T>(value: (watcher: Watcher) => T) =>
      Object.fromEntries(this.watchers.map((watcher) => [watcher.selector, value(watcher)]));
    return {
      seen: of((watcher) => watcher.seen.splice(0)),
      revisions: of((watcher) => watcher.revision),
      violations: this.violations.splice(0),
    };
  }

  /** One client after the other, as each ends with its connection. */
  async #again(run: (api: Api) => Promise<void>, signal?: AbortSignal): Promise<void> {
    while (!signal?.aborted) {
      try {
        using api = new Api(this.place());
        await run(api);
      } catch (error) {
        // An answer that no fault explains.
        const { message } = error as Error;
        if (!this.violations.includes(message)) this.violations.push(message);
      }
      await delay(AGAIN_MS, signal).catch(() => {}); // told to stop, which the loop sees
    }
  }
}

async function create(api: Api, { name, count }: Write): Promise<number> {
  const body = { metadata: { name, labels: { color: "red" } }, data: { count } };
  const response = await api.fetch("/api/v1/namespaces/default/configmaps", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const { metadata }: ConfigMap = await api.answer(response.json());
  return Number(metadata.resourceVersion);
}

async function list(api: Api, selector: string): Promise<[string, string][]> {
  const { items } = await api.list(selector);
  return items.map(({ metadata, data }) => [metadata.name, data.count]);
}

/** What a client of Kubernetes tries again after. */
function isFault(status: number, method: string): boolean {
  // What a write that was given up did later on: the next one does not fit any more.
  const isOvertaken = method !== "GET" && (status === 404 || status === 409);
  return status >= 500 || status === 429 || isOvertaken;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      kubeconfig: { type: "string", default: "" },
      url: { type: "string", default: "" },
      writers: { type: "string", default: "0" },
      seed: { type: "string", default: "1" },
      from: { type: "string", default: "1" },
    },
  });
  const access = await loadKubeconfig({ path: values.kubeconfig });
  const place = (): ApiPlace => ({
    url: values.url,
    client: Deno.createHttpClient({ caCerts: [access.caCertificate!], cert: access.certificate!, key: access.key! }),
    answerMsMax: ANSWER_MS_MAX,
    watchSeconds: WATCH_SECONDS,
    isFault,
  });
  const load = new Load(place, { writers: Number(values.writers), seed: Number(values.seed), from: values.from });
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  for await (const line of lines) {
    const asked: Command = JSON.parse(line);
    if (asked.command === "resume") load.resume();
    else console.log(JSON.stringify(asked.command === "pause" ? await load.pause() : await load.reach(asked.revision)));
  }
  Deno.exit();
}

if (import.meta.main) await main();
