/**
 * Which node has which pods, and what those refer to: what a node may read follows from it.
 *
 * Kept up to date by the changes of pods alone. A change is noted when it happens and read when its node asks, so that
 * a pod whose status changes a hundred times is read once, and one node's question costs nothing of the others' pods.
 */
import type { Pod } from "@k3ts/model";
import type { Cache } from "../cache/cache.ts";
import { parseObject, type StoredObject } from "../registry/stored_object.ts";
import { podReferences, type ReferredResource } from "./pod_references.ts";

const PODS = { group: "", resource: "pods" };
const NODE = "spec.nodeName";

export class NodeGraph {
  readonly #pods: ReturnType<Cache["of"]>;
  readonly #nodes = new Map<string, NodePods>();
  /** By `namespace/name` of a pod. */
  readonly #nodeOf = new Map<string, string>();
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
    return this.#nodes.get(node)?.use(`${resource}/${namespace}/${name}`) ?? false;
  }

  #follow(): void {
    for (;;) {
      const change = this.#pods.history.at(this.#sequence);
      if (change === undefined) return;
      if (change === "forgotten") return this.#noteAll();
      this.#sequence++;
      if (change.type === "DELETED") this.#forget(keyOf(change.object));
      else this.#note(change.object);
    }
  }

  /** After a start, or a batch of more changes than history holds. */
  #noteAll(): void {
    this.#sequence = this.#pods.history.end;
    this.#nodes.clear();
    this.#nodeOf.clear();
    for (const stored of this.#pods.index.all()) this.#note(stored);
  }

  #note(stored: StoredObject): void {
    const key = keyOf(stored);
    const node = stored.fields[NODE] ?? "";
    // Another pod of the same name may be elsewhere.
    if (this.#nodeOf.get(key) !== node) this.#forget(key);
    if (node === "") return;
    let pods = this.#nodes.get(node);
    if (pods === undefined) this.#nodes.set(node, pods = new NodePods());
    pods.put(key, stored);
    this.#nodeOf.set(key, node);
  }

  #forget(key: string): void {
    const node = this.#nodeOf.get(key);
    if (node === undefined) return;
    this.#nodeOf.delete(key);
    const pods = this.#nodes.get(node)!;
    pods.remove(key);
    if (pods.isEmpty) this.#nodes.delete(node);
  }
}

/** The pods of one node. */
class NodePods {
  /** Changed since they were read. */
  readonly #unread = new Map<string, StoredObject>();
  /** Pod → keys of what it refers to. */
  readonly #read = new Map<string, readonly string[]>();
  /** Object → how many pods refer to it. */
  readonly #uses = new Map<string, number>();

  get isEmpty(): boolean {
    return this.#unread.size === 0 && this.#read.size === 0;
  }

  put(key: string, stored: StoredObject): void {
    this.#unread.set(key, stored);
  }

  remove(key: string): void {
    this.#unread.delete(key);
    this.#replace(key, undefined);
  }

  use(object: string): boolean {
    for (const [key, stored] of this.#unread) this.#replace(key, referencesOf(stored));
    this.#unread.clear();
    return this.#uses.has(object);
  }

  #replace(key: string, next: readonly string[] | undefined): void {
    for (const each of this.#read.get(key) ?? []) {
      const left = this.#uses.get(each)! - 1;
      if (left > 0) this.#uses.set(each, left);
      else this.#uses.delete(each);
    }
    for (const each of next ?? []) this.#uses.set(each, (this.#uses.get(each) ?? 0) + 1);
    if (next === undefined) this.#read.delete(key);
    else this.#read.set(key, next);
  }
}

function keyOf({ namespace, name }: StoredObject): string {
  return `${namespace}/${name}`;
}

/** `secrets/NAMESPACE/NAME` */
function referencesOf(stored: StoredObject): string[] {
  const pod = parseObject<Pod>(stored);
  return podReferences(pod).map(({ resource, name }) => `${resource}/${stored.namespace}/${name}`);
}
