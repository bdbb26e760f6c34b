/**
 * Objects of one kind as they are on this node's disk: what the server last said, kept for when it cannot be asked.
 *
 * A change of what is wanted is on disk before anyone hears of it, one of a status soon after. One file an object, so that a change costs one small write; the copy
 * in memory is what is read.
 */
import type { KubernetesObject } from "@k3ts/client";
import type { Log } from "@k3ts/client/telemetry";
import { equalJson } from "@k3ts/model/objects";
import { change, type Files, type FileStep, removeFile, writeWhole } from "../file_steps.ts";
import { namesIn, readJsonIfWhole, removeIfThere } from "../files.ts";

export type SavedChange<T> = { type: "saved"; object: T; old?: T } | { type: "removed"; object: T };

interface File<T> {
  version: 1;
  object: T;
}

const LATE_MS = 1_000;
/** Changes that are written by one call. */
const TOGETHER_MAX = 64;

/** What becomes of one object. */
interface Change<T> {
  key: string;
  /** What the disk is told; undefined: nothing yet. */
  step?: FileStep;
  /** What is known from then on; undefined: that it is gone. */
  object: T | undefined;
  /** That it cannot be written does not keep it from being known: it is written as soon as it can be. */
  mayBeLate?: boolean;
}

interface Task<T> {
  /** @param known what is there by then */
  plan(known: ReadonlyMap<string, T>): Change<T>[];
  done: PromiseWithResolvers<void>;
}

export class SavedObjects<T extends KubernetesObject> {
  readonly #directory: string;
  readonly #files: Files;
  readonly #log: Log;
  readonly #objects = new Map<string, T>();
  /** Keys of those whose status has changed since they were written. */
  readonly #late = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #handlers = new Set<(change: SavedChange<T>) => void>();
  /** Changes are taken in in the order in which they came; those that wait together are written together. */
  readonly #tasks: Task<T>[] = [];
  #isWorking = false;

  constructor(directory: string, files: Files, log: Log) {
    this.#directory = directory;
    this.#files = files;
    this.#log = log;
  }

  /** Reads what is on disk. What cannot be read goes, as the server says it again. */
  async open(): Promise<void> {
    await Deno.mkdir(this.#directory, { recursive: true, mode: 0o700 });
    for (const name of await namesIn(this.#directory)) {
      if (!name.endsWith(".json")) {
        // Left by a write that was cut short.
        await removeIfThere(`${this.#directory}/${name}`);
        continue;
      }
      const path = `${this.#directory}/${name}`;
      const file = await readJsonIfWhole<File<T>>(
        path,
        (error) => this.#log.error("What the server has said of an object is lost", error),
      );
      if (file === undefined) {
        await removeIfThere(path);
        continue;
      }
      if (file.version !== 1) throw new Error(`Cannot read "${path}" as its version must be 1: it is ${file.version}`);
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
    return this.#enqueue((known) => {
      const key = keyOf(object);
      const old = known.get(key);
      if (
        old?.metadata.resourceVersion !== undefined && old.metadata.resourceVersion === object.metadata.resourceVersion
      ) return [];
      // What is lost of a status is computed again: only what is wanted must be on disk before it is acted on.
      if (onlyStatusDiffers(old, object)) return [{ key, object }];
      // The end of a pod that has filled the disk is what makes room on it.
      const mayBeLate = old !== undefined && object.metadata.deletionTimestamp !== undefined;
      return [{ key, object, step: this.#planWrite(key, object, true), mayBeLate }];
    });
  }

  remove(object: T): Promise<void> {
    return this.#enqueue((known) => this.#planRemoval(known, [keyOf(object)]));
  }

  /** Takes over a whole answer: what it lacks is gone. Never called with the answer of a list that failed. */
  retain(objects: readonly T[]): Promise<void> {
    const keep = new Set(objects.map(keyOf));
    return this.#enqueue((known) => this.#planRemoval(known, [...known.keys()].filter((key) => !keep.has(key))));
  }

  /** Writes what was to be written soon. */
  flush(): Promise<void> {
    return this.#enqueue((known) =>
      [...this.#late].flatMap((key) => {
        const object = known.get(key);
        return object === undefined ? [] : [{ key, object, step: this.#planWrite(key, object, false) }];
      })
    );
  }

  #planWrite(key: string, object: T, sync: boolean): FileStep {
    return writeWhole(this.#path(key), JSON.stringify({ version: 1, object } satisfies File<T>), { sync });
  }

  #planRemoval(known: ReadonlyMap<string, T>, keys: readonly string[]): Change<T>[] {
    return keys.filter((key) => known.has(key)).map((key) => ({
      key,
      object: undefined,
      step: removeFile(this.#path(key)),
    }));
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

  #path(key: string): string {
    return `${this.#directory}/${key.replace("/", "_")}.json`;
  }

  #enqueue(plan: Task<T>["plan"]): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#tasks.push({ plan, done });
    if (!this.#isWorking) {
      this.#isWorking = true;
      queueMicrotask(() => this.#work());
    }
    return done.promise;
  }

  async #work(): Promise<void> {
    while (this.#tasks.length > 0) await this.#perform(this.#tasks.splice(0, TOGETHER_MAX));
    this.#isWorking = false;
  }

  async #perform(tasks: readonly Task<T>[]): Promise<void> {
    try {
      const known = new Map(this.#objects);
      const changes = tasks.map(({ plan }) => {
        const planned = plan(known);
        for (const { key, object } of planned) {
          if (object === undefined) known.delete(key);
          else known.set(key, object);
        }
        return planned;
      });
      await change(this.#files, changes.flat().flatMap(({ step }) => step ?? []));
      for (const [at, { done }] of tasks.entries()) {
        for (const one of changes[at]!) this.#take(one);
        done.resolve();
      }
    } catch (error) {
      if (tasks.length === 1) return this.#fail(tasks[0]!, error);
      // One that cannot be written is no reason not to write the others.
      for (const task of tasks) await this.#perform([task]);
    }
  }

  #fail({ plan, done }: Task<T>, error: unknown): void {
    const changes = plan(this.#objects);
    if (changes.length === 0 || !changes.every(({ mayBeLate }) => mayBeLate)) return done.reject(error);
    for (const { key, object } of changes) this.#take({ key, object });
    done.resolve();
  }

  #take({ key, object, step }: Change<T>): void {
    const old = this.#objects.get(key);
    if (step === undefined) this.#writeSoon(key);
    else this.#late.delete(key);
    if (object === old) return;
    if (object !== undefined) {
      this.#objects.set(key, object);
      this.#tell({ type: "saved", object, ...(old !== undefined && { old }) });
    } else {
      this.#objects.delete(key);
      this.#tell({ type: "removed", object: old! });
    }
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
  return old !== undefined && equalJson(withoutStatus(old), withoutStatus(object)) &&
    equalJson(withoutVersion(old), withoutVersion(object));
}

function withoutStatus(object: KubernetesObject & { status?: unknown }) {
  return { ...object, metadata: undefined, status: undefined };
}

function withoutVersion({ metadata }: KubernetesObject) {
  return { ...metadata, resourceVersion: undefined, managedFields: undefined };
}
