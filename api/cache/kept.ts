/**
 * What was made of objects and may be asked for again: kept while there is room, and no longer than the objects
 * themselves are. An object that nobody else holds any more takes what was made of it along.
 */

export interface KeptLimits {
  /** Values. */
  countMax: number;
  bytesMax: number;
}

interface Entry<V> {
  /** Those of its object, which may have gone. */
  readonly values: WeakRef<Map<string, V>>;
  readonly id: string;
  readonly bytes: number;
}

export class Kept<K extends object, V> {
  readonly #limits: KeptLimits;
  readonly #values = new WeakMap<K, Map<string, V>>();
  /** The oldest first. */
  readonly #entries = new Set<Entry<V>>();
  #bytes = 0;

  /** When a limit is exceeded, what was made first is dropped; what was made last never is. */
  constructor(limits: KeptLimits) {
    this.#limits = limits;
  }

  /** What has the id among what was made of an object. */
  get(of: K, id: string): V | undefined {
    return this.#values.get(of)?.get(id);
  }

  keep(of: K, id: string, value: V, bytes: number): void {
    let values = this.#values.get(of);
    if (values === undefined) this.#values.set(of, values = new Map());
    values.set(id, value);
    this.#entries.add({ values: new WeakRef(values), id, bytes });
    this.#bytes += bytes;
    const { countMax, bytesMax } = this.#limits;
    for (const oldest of this.#entries) {
      if (this.#entries.size === 1 || (this.#entries.size <= countMax && this.#bytes <= bytesMax)) return;
      this.#entries.delete(oldest);
      this.#bytes -= oldest.bytes;
      oldest.values.deref()?.delete(oldest.id);
    }
  }
}
