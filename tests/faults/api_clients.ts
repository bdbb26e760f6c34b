/** Clients of an API that is killed again and again: writers who remember what they were told, watchers who resume. */
import { equal, ok } from "node:assert/strict";
import { TextLineStream } from "@k3ts/tools/lines";

const COLLECTION = "/api/v1/namespaces/default/configmaps";
const OBJECTS = 6;

export interface ConfigMap {
  metadata: { name: string; resourceVersion: string; labels?: { color?: string } };
  data: { count: string };
}

export type EventType = "ADDED" | "MODIFIED" | "DELETED";

/** What somebody wrote, or tried to. */
export interface Write {
  type: EventType;
  name: string;
  /** Unlike that of every other write of the object; a deletion has that of the state that it ends. */
  count: string;
}

/** Speaks to the API on a socket in a folder, if there is one. */
export class Api implements Disposable {
  readonly #client: Deno.HttpClient;

  constructor(path: string) {
    this.#client = Deno.createHttpClient({ proxy: { transport: "unix", path: `${path}/socket` } });
  }

  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return await orBroken(fetch(`http://api${path}`, { ...init, client: this.#client } as RequestInit));
  }

  async list(selector = ""): Promise<{ items: ConfigMap[]; metadata: { resourceVersion: string } }> {
    const response = await this.fetch(`${COLLECTION}?labelSelector=${encodeURIComponent(selector)}`);
    equal(response.status, 200, await response.clone().text());
    return await response.json();
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

/** Creates, changes and deletes a few objects that nobody else writes. */
export class Writer {
  readonly acknowledged: Write[] = [];
  /** Their requests broke: nobody was told what became of them. */
  readonly unknown: Write[] = [];
  #count = 0;

  constructor(readonly id: number, readonly random: () => number) {}

  /** Until a request breaks. */
  async run(api: Api): Promise<void> {
    for (;;) {
      const name = `w${this.id}-${Math.floor(this.random() * OBJECTS)}`;
      let write: Write | undefined;
      try {
        const found = await api.fetch(`${COLLECTION}/${name}`);
        const present = found.status === 200 ? await orBroken<ConfigMap>(found.json()) : undefined;
        if (present === undefined) await orBroken(found.text());
        write = this.#next(name, present);
        const { status, text } = await this.#send(api, write, present);
        ok(status === 200 || status === 201, `${write.type} of ${name}: ${status} ${text}`);
        this.acknowledged.push(write);
      } catch (error) {
        if (!(error instanceof Broken)) throw error;
        if (write !== undefined) this.unknown.push(write);
        return;
      }
    }
  }

  #next(name: string, present: ConfigMap | undefined): Write {
    if (present !== undefined && this.random() < 0.2) return { type: "DELETED", name, count: present.data.count };
    return { type: present === undefined ? "ADDED" : "MODIFIED", name, count: `${this.id}.${++this.#count}` };
  }

  async #send(api: Api, { type, name, count }: Write, present: ConfigMap | undefined) {
    const color = this.random() < 0.5 ? "red" : "blue";
    const body = JSON.stringify({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, labels: { color }, resourceVersion: present?.metadata.resourceVersion },
      data: { count, filling: "x".repeat(Math.floor(this.random() * 2048)) },
    });
    const path = type === "ADDED" ? COLLECTION : `${COLLECTION}/${name}`;
    const method = { ADDED: "POST", MODIFIED: "PUT", DELETED: "DELETE" }[type];
    const response = await api.fetch(path, {
      method,
      headers: { "content-type": "application/json" },
      ...(type !== "DELETED" && { body }),
    });
    // The answer counts when the whole of it is there.
    return { status: response.status, text: await orBroken(response.text()) };
  }
}

/** Watches on from the last revision that it was told, and never lists. */
export class Watcher {
  readonly seen: (Write & { revision: number })[] = [];
  #revision: string;

  constructor(readonly selector: string, revision: string) {
    this.#revision = revision;
  }

  /** The last revision that it was told. */
  get revision(): number {
    return Number(this.#revision);
  }

  /** Until the watch breaks, or has come to a revision. */
  async run(api: Api, until = Infinity): Promise<void> {
    const query = new URLSearchParams({
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: this.#revision,
      labelSelector: this.selector,
    });
    try {
      const response = await api.fetch(`${COLLECTION}?${query}`);
      equal(response.status, 200);
      const lines = response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream()).getReader();
      for (;;) {
        const { value: line, done } = await orBroken(lines.read());
        const event = done ? undefined : parsed(line);
        if (event === undefined) return;
        this.#take(event);
        if (this.revision >= until) return await lines.cancel();
      }
    } catch (error) {
      if (!(error instanceof Broken)) throw error;
    }
  }

  #take({ type, object }: { type: string; object: ConfigMap }): void {
    ok(type !== "ERROR", `a watch from revision ${this.#revision} was ended: ${JSON.stringify(object)}`);
    const { name, resourceVersion } = object.metadata;
    ok(Number(resourceVersion) > this.revision, `revision ${resourceVersion} came after ${this.#revision}`);
    this.#revision = resourceVersion;
    if (type === "BOOKMARK") return;
    this.seen.push({ type: type as EventType, name, count: object.data.count, revision: Number(resourceVersion) });
  }
}

/** The other side has gone. */
class Broken extends Error {}

/** @throws {Broken} whatever it fails with: only for what a connection can do */
async function orBroken<T>(result: Promise<T>): Promise<T> {
  try {
    return await result;
  } catch (cause) {
    throw new Broken("the connection broke", { cause });
  }
}

/** @returns undefined for what was cut off in the middle */
function parsed(line: string): { type: string; object: ConfigMap } | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
