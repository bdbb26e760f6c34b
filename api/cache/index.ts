/** The newest objects of one resource, by namespace and name, always in order. */
import type { StoredObject } from "../registry/stored_object.ts";

/** A sorted array of names beside a map: lists need order, everything else the map. */
class Names {
  readonly sorted: string[] = [];

  add(name: string): void {
    const last = this.sorted.at(-1);
    if (last === undefined || last < name) this.sorted.push(name);
    else this.sorted.splice(this.indexOf(name), 0, name);
  }

  remove(name: string): void {
    const index = this.indexOf(name);
    if (this.sorted[index] === name) this.sorted.splice(index, 1);
  }

  /** Where a name is or would be. */
  indexOf(name: string): number {
    let low = 0;
    let high = this.sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.sorted[middle]! < name) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

interface NamespaceIndex {
  objects: Map<string, StoredObject>;
  names: Names;
}

export class ObjectIndex {
  readonly #namespaces = new Map<string, NamespaceIndex>();
  readonly #namespaceNames = new Names();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(namespace: string, name: string): StoredObject | undefined {
    return this.#namespaces.get(namespace)?.objects.get(name);
  }

  set(object: StoredObject): void {
    let index = this.#namespaces.get(object.namespace);
    if (index === undefined) {
      index = { objects: new Map(), names: new Names() };
      this.#namespaces.set(object.namespace, index);
      this.#namespaceNames.add(object.namespace);
    }
    if (!index.objects.has(object.name)) {
      index.names.add(object.name);
      this.#size++;
    }
    index.objects.set(object.name, object);
  }

  delete(namespace: string, name: string): void {
    const index = this.#namespaces.get(namespace);
    if (index === undefined || !index.objects.delete(name)) return;
    index.names.remove(name);
    this.#size--;
    if (index.objects.size > 0) return;
    this.#namespaces.delete(namespace);
    this.#namespaceNames.remove(namespace);
  }

  /** In order of namespace and name; of one namespace where one is given. */
  *all(namespace?: string): Iterable<StoredObject> {
    for (const each of namespace === undefined ? this.#namespaceNames.sorted : [namespace]) {
      const index = this.#namespaces.get(each);
      if (index === undefined) continue;
      for (const name of index.names.sorted) yield index.objects.get(name)!;
    }
  }
}

/** The order of lists: by namespace, then by name. */
export function compareObjects(
  a: { namespace: string; name: string },
  b: { namespace: string; name: string },
): number {
  if (a.namespace !== b.namespace) return a.namespace < b.namespace ? -1 : 1;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
