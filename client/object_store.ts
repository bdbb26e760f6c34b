/** Objects by namespace and name, and by whatever else is asked for. No I/O: what changes is returned, not told. */
import type { KubernetesObject } from "./types.ts";

/** A change that readers of the store can already see. */
export interface Change<T> {
  type: "added" | "updated" | "deleted";
  /** For a deletion the last state that is known. */
  object: T;
  old?: T;
}

export class ObjectStore<T extends KubernetesObject> {
  /** By namespace, then by name. */
  #objects = new Map<string, Map<string, T>>();
  #indexes: ObjectIndex<T>[] = [];

  get(namespace: string, name: string): T | undefined {
    return this.#objects.get(namespace)?.get(name);
  }

  list(namespace?: string): T[] {
    if (namespace !== undefined) return [...this.#objects.get(namespace)?.values() ?? []];
    return [...this.#objects.values()].flatMap((objects) => [...objects.values()]);
  }

  index(keysOf: (object: T) => readonly string[]): ObjectIndex<T> {
    const index = new ObjectIndex(keysOf);
    for (const object of this.list()) index.add(object);
    this.#indexes.push(index);
    return index;
  }

  /** One object as it is now. An older object of the same name but another uid is deleted first. */
  put(object: T): Change<T>[] {
    const old = this.get(namespaceOf(object), nameOf(object));
    if (old === undefined) return [this.#set({ type: "added", object })];
    if (old.metadata.uid !== object.metadata.uid) return [...this.remove(old), this.#set({ type: "added", object })];
    const isSame = old.metadata.resourceVersion !== undefined &&
      old.metadata.resourceVersion === object.metadata.resourceVersion;
    return isSame ? [] : [this.#set({ type: "updated", object, old })];
  }

  /** @param object its last state */
  remove(object: T): Change<T>[] {
    const [namespace, name] = [namespaceOf(object), nameOf(object)];
    const objects = this.#objects.get(namespace);
    const old = objects?.get(name);
    if (objects === undefined || old === undefined) return [];
    objects.delete(name);
    if (objects.size === 0) this.#objects.delete(namespace);
    for (const index of this.#indexes) index.remove(old);
    return [{ type: "deleted", object, old }];
  }

  /** All objects as they are now: what is held but not among them was deleted unseen. */
  replace(objects: readonly T[]): Change<T>[] {
    const present = new Set(objects.map((object) => `${namespaceOf(object)}/${nameOf(object)}`));
    const vanished = this.list().filter((object) => !present.has(`${namespaceOf(object)}/${nameOf(object)}`));
    return [...vanished.flatMap((object) => this.remove(object)), ...objects.flatMap((object) => this.put(object))];
  }

  #set(change: Change<T>): Change<T> {
    const { object, old } = change;
    const objects = this.#objects.get(namespaceOf(object)) ?? new Map<string, T>();
    this.#objects.set(namespaceOf(object), objects.set(nameOf(object), object));
    for (const index of this.#indexes) {
      if (old !== undefined) index.remove(old);
      index.add(object);
    }
    return change;
  }
}

export class ObjectIndex<T> {
  #objects = new Map<string, Set<T>>();
  /** What each object was filed under, in case a function answers differently later. */
  #keys = new Map<T, readonly string[]>();

  constructor(readonly keysOf: (object: T) => readonly string[]) {}

  get(key: string): readonly T[] {
    return [...this.#objects.get(key) ?? []];
  }

  add(object: T): void {
    const keys = this.keysOf(object);
    this.#keys.set(object, keys);
    for (const key of keys) this.#objects.set(key, (this.#objects.get(key) ?? new Set<T>()).add(object));
  }

  remove(object: T): void {
    for (const key of this.#keys.get(object) ?? []) {
      const objects = this.#objects.get(key);
      objects?.delete(object);
      if (objects?.size === 0) this.#objects.delete(key);
    }
    this.#keys.delete(object);
  }
}

function namespaceOf(object: KubernetesObject): string {
  return object.metadata.namespace ?? "";
}

function nameOf(object: KubernetesObject): string {
  return object.metadata.name ?? "";
}
