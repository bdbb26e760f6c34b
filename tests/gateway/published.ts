/** An API server behind the real gateway, which tells watches what the server publishes; and clients that watch. */
import type { ApiObject } from "@k3ts/model";
import { type TestApiServer, testApiServer } from "@k3ts/api/testing";
import { restFace } from "@k3ts/server/faces";
import { Fanout } from "@k3ts/server/fanout";
import { until } from "../supervisor/supervised.ts";
import { serve } from "./backend.ts";
import { Gateway } from "./gateway.ts";

export const MAPS = "/api/v1/namespaces/default/configmaps";
const TARGET = { resource: "configmaps", namespace: "default" };

export class Published implements AsyncDisposable {
  #serving: AsyncDisposableStack | undefined;

  private constructor(readonly gateway: Gateway, readonly api: TestApiServer) {}

  static async start(): Promise<Published> {
    const published = new Published(await Gateway.start(), await testApiServer());
    await published.serve();
    return published;
  }

  /** Begins to serve, as a server that has started. */
  async serve(): Promise<void> {
    const stack = new AsyncDisposableStack();
    const ending = new AbortController();
    const fanout = new Fanout();
    const errors: unknown[] = [];
    await Deno.remove(this.#socket).catch(() => {});
    const listening = fanout.serve(this.#socket, (error) => errors.push(error), ending.signal);
    stack.defer(async () => {
      ending.abort();
      await listening;
      await fanout[Symbol.asyncDispose]();
      if (errors.length > 0) throw new AggregateError(errors);
    });
    const face = restFace(this.api, { fanout });
    stack.use(serve(this.gateway.serverSocket, (request) => face(request)));
    this.#serving = stack;
    await until("the gateway has connected", () => fanout.gateways > 0);
  }

  /** As a server that has ended, but for what it has stored. */
  async away(): Promise<void> {
    this.api.registry.cache.endWatches();
    await this.#serving?.disposeAsync();
    this.#serving = undefined;
  }

  get #socket(): string {
    return this.gateway.supervised.path("run/fanout.sock");
  }

  /** How many watches the gateway tells. */
  async told(): Promise<number> {
    return await this.gateway.metric("k3ts_gateway_watches") ?? 0;
  }

  /** Creates or changes an object, and answers what it has become. */
  async put(name: string, data: string): Promise<ApiObject> {
    const object = { metadata: { name }, data: { data } };
    const is = this.api.registry.cache.get(this.api.resources.get("configmaps"), "default", name);
    if (is === undefined) return await this.api.create(TARGET, object);
    return await this.api.update({ ...TARGET, name }, object);
  }

  async remove(name: string): Promise<void> {
    await this.api.delete({ ...TARGET, name });
  }

  /** The revision of each object, by name, and that of the list. */
  list(): { revision: number; objects: Map<string, string> } {
    const { cache } = this.api.registry;
    const all = cache.of(this.api.resources.get("configmaps")).newest({ namespace: "default" });
    return { revision: cache.revision, objects: new Map(all.map((one) => [one.name, String(one.revision)])) };
  }

  client(http2: boolean): Deno.HttpClient {
    const { cert, key } = this.gateway.admin;
    return Deno.createHttpClient({ caCerts: [this.gateway.authority.cert], cert, key, http1: !http2, http2 });
  }

  /** @param query of the watch: `resourceVersion=7` */
  async watch(client: Deno.HttpClient, query: string, headers: Record<string, string> = {}): Promise<Watching> {
    return new Watching((await this.stream(client, query, headers)).getReader());
  }

  /** A watch that nobody reads yet. */
  async stream(
    client: Deno.HttpClient,
    query: string,
    headers: Record<string, string> = {},
  ): Promise<ReadableStream<Uint8Array>> {
    const response = await fetch(`${this.gateway.url}${MAPS}?watch=true&${query}`, { client, headers });
    if (response.status !== 200) throw new Error(`The watch was answered with ${response.status}`);
    return response.body!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.away();
    await this.gateway[Symbol.asyncDispose]();
    await this.api.close();
  }
}

export interface Event {
  type: string;
  object: { metadata: { name: string; resourceVersion: string } };
}

/** Keeps what it hears. */
export class Watching {
  readonly events: Event[] = [];
  /** How it ended, when it has. */
  outcome: "end" | "broken" | undefined;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly read: Promise<void>;

  constructor(reader: ReadableStreamDefaultReader<Uint8Array>) {
    this.#reader = reader;
    this.read = this.#read();
  }

  async leave(): Promise<void> {
    await this.#reader.cancel();
    await this.read;
  }

  /** What a list has become by what was heard since. */
  replayed(list: ReadonlyMap<string, string>): Map<string, string> {
    const objects = new Map(list);
    let last = 0;
    for (const { type, object: { metadata: { name, resourceVersion } } } of this.events) {
      if (type === "BOOKMARK") continue;
      if (objects.has(name) === (type === "ADDED")) throw new Error(`${type} of ${name} cannot be`);
      if (Number(resourceVersion) <= last) throw new Error(`${resourceVersion} came after ${last}`);
      last = Number(resourceVersion);
      if (type === "DELETED") objects.delete(name);
      else objects.set(name, resourceVersion);
    }
    return objects;
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for (let next = await this.#reader.read(); !next.done; next = await this.#reader.read()) {
        const lines = (rest + decoder.decode(next.value, { stream: true })).split("\n");
        rest = lines.pop()!;
        for (const line of lines) this.events.push(JSON.parse(line));
      }
      this.outcome = "end";
    } catch {
      this.outcome = "broken";
    }
  }
}
