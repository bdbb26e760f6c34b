/**
 * Which node has which pods, and what those refer to: what a node may read follows from it.
 *
 * Kept up to date by the changes of pods alone. A change is noted when it happens and read when somebody asks, so that
 * a pod whose status changes a hundred times is read once.
 */
import type { Pod } from "@k3ts/model";
import type { Cache } from "../cache/cache.ts";
import { parseObject, type StoredObject } from "../registry/stored_object.ts";
import { podReferences, type ReferredResource } from "./pod_references.ts";

const PODS = { group: "", resource: "pods" };

interface Noted {
  node: string;
  /** Keys of what the pod refers to. */
  keys: string[];
}

export class NodeGraph {
  readonly #pods: ReturnType<Cache["of"]>;
  /** By `namespace/name`: changed since they were read; undefined where they are gone. */
  readonly #unread = new Map<string, StoredObject | undefined>();
  readonly #noted = new Map<string, Noted>();
  /** Object → node → how many pods of the node refer to it. */
  readonly #users = new Map<string, Map<string, number>>();
  #sequence: number;

  constructor(cache: Cache) {
    this.#pods = cache.of(PODS);
    this.#sequence = this.#pods.history.end;
    this.#noteAll();
    this.#pods.followers.add(() => this.#follow());
  }

  /** Whether the node has the pod. */
  runs(node: string, namespace: string, name: string): boolean {
    return node !== "" && this.#pods.index.get(namespace, name)?.fields[NODE] === node;
  }

  /** Whether a pod of the node refers to the object. */
  uses(node: string, resource: ReferredResource, namespace: string, name: string): boolean {
    for (const [key, stored] of this.#unread) this.#read(key, stored);
    this.#unread.clear();
    return this.#users.get(`${resource}/${namespace}/${name}`)?.has(node) ?? false;
  }

  #follow(): void {
    for (;;) {
      const change = this.#pods.history.at(this.#sequence);
      if (change === undefined) return;
      if (change === "forgotten") return this.#noteAll();
      this.#sequence++;
      const key = keyOf(change.object);
      if (change.type !== "DELETED") this.#unread.set(key, change.object);
      // What nobody has asked about need not be remembered when it is gone.
      else if (this.#noted.has(key)) this.#unread.set(key, undefined);
      else this.#unread.delete(key);
    }
  }

  /** After a start, or a batch of more changes than history holds. */
  #noteAll(): void {
    this.#sequence = this.#pods.history.end;
    for (const key of this.#noted.keys()) this.#unread.set(key, undefined);
    for (const stored of this.#pods.index.all()) this.#unread.set(keyOf(stored), stored);
  }

  #read(key: string, stored: StoredObject | undefined): void {
    const before = this.#noted.get(key);
    const node = stored?.fields[NODE] ?? "";
    if (before === undefined && node === "") return;
    // First what is new, so that what stays is never without a user.
    const keys = stored === undefined || node === "" ? [] : keysOf(stored);
    for (const each of keys) this.#count(each, node, 1);
    for (const each of before?.keys ?? []) this.#count(each, before!.node, -1);
    if (keys.length === 0) this.#noted.delete(key);
    else this.#noted.set(key, { node, keys });
  }

  #count(key: string, node: string, by: 1 | -1): void {
    let nodes = this.#users.get(key);
    if (nodes === undefined) this.#users.set(key, nodes = new Map());
    const count = (nodes.get(node) ?? 0) + by;
    if (count > 0) nodes.set(node, count);
    else nodes.delete(node);
    if (nodes.size === 0) this.#users.delete(key);
  }
}

const NODE = "spec.nodeName";

function keyOf({ namespace, name }: StoredObject): string {
  return `${namespace}/${name}`;
}

function keysOf(stored: StoredObject): string[] {
  const pod = parseObject<Pod>(stored);
  return podReferences(pod).map(({ resource, name }) => `${resource}/${stored.namespace}/${name}`);
}
