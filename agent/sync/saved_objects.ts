/**
 * Objects of one kind as they are on this node's disk: what the server last said, kept for when it cannot be asked.
 *
 * A change of what is wanted is on disk before anyone hears of it, one of a status soon after. One file an object, so that a change costs one small write; the copy
 * in memory is what is read.
 */
import type { KubernetesObject } from "@k3ts/client";
import { namesIn, readJsonIfThere, removeIfThere, writeAtomically } from "../files.ts";

export type SavedChange<T> = { type: "saved"; object: T; old?: T } | { type: "removed"; object: T };

interface File<T> {
  version: 1;
  object: T;
}

const LATE_MS = 1_000;

export class SavedObjects<T extends KubernetesObject> {
  readonly #directory: string;
  readonly #objects = new Map<string, T>();
  /** Keys of those whose status has changed since they were written. */
  readonly #late = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #handlers = new Set<(change: SavedChange<T>) => void>();
  /** Changes are taken in one by one, in the order in which they came. */
  #queue: Promise<void> = Promise.resolve();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Reads what is on disk. */
  async open(): Promise<void> {
    await Deno.mkdir(this.#directory, { recursive: true, mode: 0o700 });
    for (const name of await namesIn(this.#directory)) {
      if (!name.endsWith(".json")) {
        // Left by a write that was cut short.
        await removeIfThere(`${this.#directory}/${name}`);
        continue;
      }
      const file = await readJsonIfThere<File<T>>(`${this.#directory}/${name}`);
      if (file?.version !== 1) {
        throw new Error(`Cannot read "${this.#directory}/${name}" as its version must be 1: it is ${file?.version}`);
      }
      this.#objects.set(keyOf(file.object), file.object);
    }
  }

  list(): T[] {
    return [...this.#objects.values()];
  }

  get(namespace: string, name: string): T | undefined {
    return this.#objects.get(`${namespace}/${name}`);
  }

  onChange(handler: (change: SavedChange<T>) => void): void {
    this.#handlers.add(handler);
  }

  put(object: T): Promise<void> {
    return this.#enqueue(async () => {
      const key = keyOf(object);
      const old = this.#objects.get(key);
      if (
        old?.metadata.resourceVersion !== undefined && old.metadata.resourceVersion === object.metadata.resourceVersion
      ) return;
      // What is lost of a status is computed again: only what is wanted must be on disk before it is acted on.
      if (onlyStatusDiffers(old, object)) this.#writeSoon(key);
      else await this.#write(key, object, true);
      this.#objects.set(key, object);
      this.#tell({ type: "saved", object, ...(old !== undefined && { old }) });
    });
  }

  async #write(key: string, object: T, sync: boolean): Promise<void> {
    this.#late.delete(key);
    await writeAtomically(this.#path(key), JSON.stringify({ version: 1, object } satisfies File<T>), { sync });
  }

  /** A pod's status changes several times while it starts: one write is enough for all. */
  #writeSoon(key: string): void {
    this.#late.add(key);
    if (this.#timer !== undefined) return;
    const timer = setTimeout(() => {
      this.#timer = undefined;
      // What could not be written stays late, and is tried again.
      this.flush().catch(() => this.#late.size > 0 && this.#writeSoon([...this.#late][0]!));
    }, LATE_MS);
    // Nothing has to wait for it: whoever ends flushes.
    Deno.unrefTimer(timer);
    this.#timer = timer;
  }

  /** Writes what was to be written soon. */
  flush(): Promise<void> {
    return this.#enqueue(async () => {
      for (const key of [...this.#late]) {
        const object = this.#objects.get(key);
        if (object === undefined) this.#late.delete(key);
        else await this.#write(key, object, false);
      }
    });
  }

  remove(object: T): Promise<void> {
    return this.#enqueue(() => this.#remove(object));
  }

  /** Takes over a whole answer: what it lacks is gone. Never called with the answer of a list that failed. */
  retain(objects: readonly T[]): Promise<void> {
    const keep = new Set(objects.map(keyOf));
    return this.#enqueue(async () => {
      for (const object of this.list()) if (!keep.has(keyOf(object))) await this.#remove(object);
    });
  }

  async #remove(object: T): Promise<void> {
    const key = keyOf(object);
    const old = this.#objects.get(key);
    if (old === undefined) return;
    this.#late.delete(key);
    await removeIfThere(this.#path(key));
    this.#objects.delete(key);
    this.#tell({ type: "removed", object: old });
  }

  #path(key: string): string {
    return `${this.#directory}/${key.replace("/", "_")}.json`;
  }

  #enqueue(task: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(task);
    this.#queue = done.catch(() => {});
    return done;
  }

  #tell(change: SavedChange<T>): void {
    for (const handler of this.#handlers) handler(change);
  }
}

/** Names hold neither / nor _ (RFC 1123), so that keys and files are unique. */
function keyOf(object: KubernetesObject): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name ?? ""}`;
}

function onlyStatusDiffers(old: KubernetesObject | undefined, object: KubernetesObject): boolean {
  if (old === undefined) return false;
  const wanted = ({ metadata: m, ...rest }: KubernetesObject & { status?: unknown }) =>
    JSON.stringify({
      ...rest,
      status: undefined,
      metadata: { ...m, resourceVersion: undefined, managedFields: undefined },
    });
  return wanted(old) === wanted(object);
}
