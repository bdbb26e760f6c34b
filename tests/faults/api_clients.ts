/** Clients of an API that is killed again and again: writers who remember what they were told, watchers who resume. */
import { equal, ok } from "node:assert/strict";
import { TextLineStream } from "@k3ts/tools/lines";

const COLLECTION = "/api/v1/namespaces/default/configmaps";
const OBJECTS = 6;

export interface ConfigMap {
  metadata: { name: string; uid: string; resourceVersion: string; labels?: { color?: string } };
  data: { count: string };
}

export type EventType = "ADDED" | "MODIFIED" | "DELETED";

/** What somebody wrote, or tried to. */
export interface Write {
  type: EventType;
  name: string;
  /** Unlike that of every other write of the object; a deletion has that of the state that it ends. */
  count: string;
  /** When it was acknowledged, milliseconds since the epoch. */
  at?: number;
}

/** An API that others make use of, too, and that things happen to. */
export interface ApiPlace {
  /** Its scheme, host and port. */
  url: string;
  client: Deno.HttpClient;
  /** For an answer, and for the next event of a watch: who waits for longer takes it for broken. */
  answerMsMax: number;
  /** After which a watch is ended by the server, so that its watcher resumes. Less than the time for an answer. */
  watchSeconds: number;
  /** Whether an answer with this status tells nothing but that something is at fault just now. */
  isFault(status: number, method: string): boolean;
}

/** Speaks to the API on a socket in a folder, if there is one, or to that in another place. */
export class Api implements Disposable {
  readonly place: Pick<ApiPlace, "url" | "client"> & Partial<ApiPlace>;

  constructor(where: string | ApiPlace) {
    this.place = typeof where !== "string" ? where : {
      url: "http://api",
      client: Deno.createHttpClient({ proxy: { transport: "unix", path: `${where}/socket` } }),
    };
  }

  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const { url, client } = this.place;
    const response = await this.answer(fetch(`${url}${path}`, { ...init, client } as RequestInit));
    if (!this.place.isFault?.(response.status, init.method ?? "GET")) return response;
    throw new Broken(`status ${response.status}: ${await this.answer(response.text())}`);
  }

  /** @throws {Broken} whatever it fails with: only for what a connection can do */
  answer<T>(result: Promise<T>): Promise<T> {
    return orBroken(result, this.place.answerMsMax);
  }

  async list(selector = ""): Promise<{ items: ConfigMap[]; metadata: { resourceVersion: string } }> {
    const response = await this.fetch(`${COLLECTION}?labelSelector=${encodeURIComponent(selector)}`);
    equal(response.status, 200, await response.clone().text());
    return await response.json();
  }

  [Symbol.dispose](): void {
    this.place.client.close();
  }
}

/** Creates, changes and deletes a few objects that nobody else writes. */
export class Writer {
  readonly acknowledged: Write[] = [];
  /** Their requests broke: nobody was told what became of them. */
  readonly unknown: Write[] = [];
  #count = 0;

  /** @param paceMs between its writes */
  constructor(readonly id: number, readonly random: () => number, readonly paceMs = 0) {}

  /** Until a request breaks, or the signal fires. */
  async run(api: Api, signal?: AbortSignal): Promise<void> {
    while (!signal?.aborted) {
      if (this.paceMs > 0) await new Promise((resolve) => setTimeout(resolve, this.paceMs));
      const name = `w${this.id}-${Math.floor(this.random() * OBJECTS)}`;
      let write: Write | undefined;
      try {
        const found = await api.fetch(`${COLLECTION}/${name}`);
        const present = found.status === 200 ? await api.answer<ConfigMap>(found.json()) : undefined;
        if (present === undefined) await api.answer(found.text());
        write = this.#next(name, present);
        const { status, text } = await this.#send(api, write, present);
        ok(status === 200 || status === 201, `${write.type} of ${name}: ${status} ${text}`);
        this.acknowledged.push({ ...write, at: Date.now() });
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
    // Of the state that it ends only: a deletion that comes late must not end a later one.
    const { uid, resourceVersion } = present?.metadata ?? {};
    const deletion = JSON.stringify({
      apiVersion: "v1",
      kind: "DeleteOptions",
      preconditions: { uid, resourceVersion },
    });
    const response = await api.fetch(path, {
      method,
      headers: { "content-type": "application/json" },
      body: type === "DELETED" ? deletion : body,
    });
    // The answer counts when the whole of it is there.
    return { status: response.status, text: await api.answer(response.text()) };
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
      ...(api.place.watchSeconds !== undefined && { timeoutSeconds: `${api.place.watchSeconds}` }),
    });
    try {
      const response = await api.fetch(`${COLLECTION}?${query}`);
      equal(response.status, 200);
      const lines = response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream()).getReader();
      try {
        while (this.revision < until) {
          const { value: line, done } = await api.answer(lines.read());
          const event = done ? undefined : parsed(line);
          if (event === undefined) return;
          this.#take(event);
        }
      } finally {
        // What has broken cannot be ended any more.
        await lines.cancel().catch(() => {});
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

/** The other side has gone, or is at fault. */
export class Broken extends Error {}

async function orBroken<T>(result: Promise<T>, msMax: number | undefined): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    if (msMax !== undefined) timer = setTimeout(() => reject(new Error(`no answer within ${msMax} ms`)), msMax);
  });
  try {
    return await Promise.race([result, late]);
  } catch (cause) {
    throw new Broken("the connection broke", { cause });
  } finally {
    clearTimeout(timer);
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
