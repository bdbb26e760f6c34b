/**
 * Keeps this machine's routes to the pods of other nodes: planned from what the server says of nodes, saved on disk
 * for when it cannot be asked, and looked at again from time to time, as they go when an interface goes.
 */
import type { Client } from "@connectrpc/connect";
import { delay, type Informer } from "@k3ts/client";
import type { Log } from "@k3ts/client/telemetry";
import type { Node } from "@k3ts/model/objects";
import type { NetworkService } from "@k3ts/proto";
import { readJsonIfWhole, writeAtomically } from "../files.ts";
import { type OwnPlace, planRoutes, type Route } from "./routes.ts";

const LOOK_MS = 60_000;
const RETRY_MS = 5_000;

interface File {
  version: 1;
  routes: Route[];
}

export interface NodeRoutesOptions {
  file: string;
  own: OwnPlace;
  native: Pick<Client<typeof NetworkService>, "syncRoutes">;
  log: Log;
}

export class NodeRoutes {
  #routes: Route[] = [];
  /** What has been complained of and still is so: it is said once. */
  readonly #complaints = { plan: new Set<string>(), kernel: new Set<string>() };
  /** Cut short when the routes have changed. */
  #pause = new AbortController();

  private constructor(private readonly options: NodeRoutesOptions) {}

  /** With those that were saved. */
  static async open(options: NodeRoutesOptions): Promise<NodeRoutes> {
    const routes = new NodeRoutes(options);
    const file = await readJsonIfWhole<File>(
      options.file,
      (error) => options.log.error("The routes to other nodes are lost, and found again with the nodes", error),
    );
    if (file?.version === 1) routes.#routes = file.routes;
    return routes;
  }

  /** How many other nodes have pods to be reached. */
  get count(): number {
    return this.#routes.length;
  }

  /** Keeps the kernel's routes as they should be, until the signal fires. They stay. */
  async keep(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#pause.abort(), { once: true });
    while (!signal.aborted) {
      this.#pause = new AbortController();
      const isDone = await this.#sync();
      if (signal.aborted) return;
      await delay(isDone ? LOOK_MS : RETRY_MS, this.#pause.signal).catch(() => {}); // there is something to do
    }
  }

  /** Plans anew with every change of a node. What is saved stays until a whole answer is in. */
  follow(nodes: Informer<Node>): void {
    const { log } = this.options;
    const plan = () => {
      if (!nodes.hasSynced) return;
      this.#plan(nodes.list()).catch((error) => log.error("Cannot save the routes to other nodes", error));
    };
    nodes.onChange(plan);
    nodes.synced.then(plan, () => {}); // rejects at the end only
  }

  async #plan(nodes: readonly Node[]): Promise<void> {
    const { routes, refused } = planRoutes(nodes, this.options.own);
    this.#complain("plan", refused);
    if (JSON.stringify(routes) === JSON.stringify(this.#routes)) return;
    this.#routes = routes;
    await writeAtomically(this.options.file, JSON.stringify({ version: 1, routes } satisfies File));
    this.#pause.abort();
  }

  /** @returns whether all of them are there */
  async #sync(): Promise<boolean> {
    const { native, log } = this.options;
    try {
      const { failures } = await native.syncRoutes({ routes: this.#routes });
      this.#complain("kernel", failures.map(({ message }) => message));
      return failures.length === 0;
    } catch (error) {
      log.error("Cannot set the routes to other nodes", error);
      return false;
    }
  }

  #complain(source: "plan" | "kernel", sentences: readonly string[]): void {
    const said = this.#complaints[source];
    for (const sentence of sentences) if (!said.has(sentence)) this.options.log.warn(sentence);
    said.clear();
    for (const sentence of sentences) said.add(sentence);
  }
}
