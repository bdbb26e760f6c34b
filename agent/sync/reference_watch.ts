/**
 * Follows the ConfigMaps and Secrets that the pods of this node use, one by one, and no others: a node may not read
 * the rest. What is known of each is saved, also that there is none.
 */
import { Informer, type ResourceClients } from "@k3ts/client";
import { explain, type Log } from "@k3ts/client/telemetry";
import { type ConfigMap, type Pod, resources, type Secret } from "@k3ts/model/objects";
import { namesIn, readJsonIfWhole, removeIfThere, writeAtomically } from "../files.ts";
import { keyOf, type Known, type Reference, References, referencesOf } from "./references.ts";

interface File {
  version: 1;
  reference: Reference;
  /** Null: the server says that there is none. */
  object: ConfigMap | Secret | null;
}

interface Watched {
  reference: Reference;
  stop: AbortController;
}

export class ReferenceWatch {
  readonly references: References;
  readonly #directory: string;
  readonly #log: Log;
  readonly #known = new Map<string, ConfigMap | Secret | null>();
  readonly #watched = new Map<string, Watched>();
  readonly #handlers = new Set<(reference: Reference) => void>();
  #clients: ResourceClients | undefined;
  #wanted = new Map<string, Reference>();
  #queue: Promise<void> = Promise.resolve();

  constructor(directory: string, log: Log) {
    this.#directory = directory;
    this.#log = log;
    this.references = new References((reference) => this.#look(reference));
  }

  async open(): Promise<void> {
    await Deno.mkdir(this.#directory, { recursive: true, mode: 0o700 });
    for (const name of await namesIn(this.#directory)) {
      if (!name.endsWith(".json")) continue;
      const file = await readJsonIfWhole<File>(
        `${this.#directory}/${name}`,
        (error) => this.#log.error("What the server has said of a reference is lost, and asked for again", error),
      );
      if (file?.version === 1) this.#known.set(keyOf(file.reference), file.object);
    }
  }

  onChange(handler: (reference: Reference) => void): void {
    this.#handlers.add(handler);
  }

  /** From now on the server is asked. */
  connect(clients: ResourceClients): void {
    this.#clients = clients;
    this.#adjust();
  }

  /** What these pods use is followed, the rest is forgotten. */
  use(pods: readonly Pod[]): void {
    this.#wanted = new Map(pods.flatMap(referencesOf).map((reference) => [keyOf(reference), reference]));
    this.#adjust();
  }

  stop(): void {
    for (const { stop } of this.#watched.values()) stop.abort();
    this.#watched.clear();
  }

  #adjust(): void {
    for (const [key, { reference, stop }] of this.#watched) {
      if (this.#wanted.has(key)) continue;
      stop.abort();
      this.#watched.delete(key);
      this.#known.delete(key);
      this.#save(() => removeIfThere(this.#path(reference)));
    }
    if (this.#clients === undefined) return;
    for (const [key, reference] of this.#wanted) {
      if (!this.#watched.has(key)) this.#watch(key, reference, this.#clients);
    }
  }

  #watch(key: string, reference: Reference, clients: ResourceClients): void {
    const stop = new AbortController();
    this.#watched.set(key, { reference, stop });
    const options = {
      namespace: reference.namespace,
      fieldSelector: `metadata.name=${reference.name}`,
      onError: (error: Error) =>
        this.#log.warn("Cannot follow what pods refer to", { object: key, error: explain(error) }),
    };
    const informer: Informer<ConfigMap | Secret> = reference.kind === "ConfigMap"
      ? new Informer<ConfigMap | Secret>(clients.of<ConfigMap | Secret>(resources.configmaps), options)
      : new Informer<ConfigMap | Secret>(clients.of<ConfigMap | Secret>(resources.secrets), options);
    const take = () =>
      this.#take(key, reference, informer.get(reference.namespace, reference.name) ?? null, stop.signal);
    informer.synced.then(() => {
      informer.onChange(take);
      take();
    }, () => {});
    informer.start(stop.signal).catch((error) =>
      this.#log.error("Cannot follow what pods refer to", error, { object: key })
    );
  }

  #take(key: string, reference: Reference, object: ConfigMap | Secret | null, signal: AbortSignal): void {
    this.#save(async () => {
      if (signal.aborted) return;
      const before = this.#known.get(key);
      if (before !== undefined && before?.metadata.resourceVersion === object?.metadata.resourceVersion) return;
      await writeAtomically(this.#path(reference), JSON.stringify({ version: 1, reference, object } satisfies File));
      this.#known.set(key, object);
      for (const handler of this.#handlers) handler(reference);
    });
  }

  #save(task: () => Promise<void>): void {
    this.#queue = this.#queue.then(task).catch((error) => this.#log.error("Cannot save what pods refer to", error));
  }

  #path({ kind, namespace, name }: Reference): string {
    return `${this.#directory}/${kind}_${namespace}_${name}.json`;
  }

  #look(reference: Reference): Known<ConfigMap | Secret> {
    const object = this.#known.get(keyOf(reference));
    if (object === undefined) return { state: "unknown" };
    return object === null ? { state: "absent" } : { state: "known", object };
  }
}
