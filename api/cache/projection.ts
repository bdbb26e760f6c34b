/**
 * Parsed objects of one resource, for the server's own use, always as new as the cache.
 *
 * Catches up when it is asked, from the history; after a storm longer than that, from the index.
 */
import { type ObjectData, parseObject } from "../registry/stored_object.ts";
import type { ResourceCache } from "./resource_cache.ts";

export class Projection<T extends ObjectData> {
  readonly #cache: ResourceCache;
  readonly #objects = new Map<string, T>();
  #sequence: number;
  #version = 0;

  constructor(cache: ResourceCache) {
    this.#cache = cache;
    this.#sequence = cache.history.end;
    this.#reload();
  }

  /** Grows whenever anything has changed: for what is computed from the objects. */
  get version(): number {
    this.#catchUp();
    return this.#version;
  }

  get(namespace: string, name: string): T | undefined {
    this.#catchUp();
    return this.#objects.get(`${namespace}/${name}`);
  }

  all(): IteratorObject<T> {
    this.#catchUp();
    return this.#objects.values();
  }

  #catchUp(): void {
    for (;;) {
      const change = this.#cache.history.at(this.#sequence);
      if (change === undefined) return;
      this.#version++;
      if (change === "forgotten") return this.#reload();
      this.#sequence++;
      const key = `${change.object.namespace}/${change.object.name}`;
      if (change.type === "DELETED") this.#objects.delete(key);
      else this.#objects.set(key, parseObject<T>(change.object));
    }
  }

  #reload(): void {
    this.#sequence = this.#cache.history.end;
    this.#objects.clear();
    for (const stored of this.#cache.index.all()) {
      this.#objects.set(`${stored.namespace}/${stored.name}`, parseObject<T>(stored));
    }
  }
}
