/** Removes what has lost its owners, and lets go what waits for its dependents. */
import { isNotFound, type ResourceClients } from "@k3ts/client";
import type { KubernetesObject, OwnerReference } from "@k3ts/model/objects";
import { backoffAfter, type Daemon, type DaemonContext, isPassing, WorkQueue } from "../../sdk/mod.ts";
import { followResources } from "../discovery.ts";
import { Graph, type Node } from "./graph.ts";
import { type GarbageAction, type OwnerState, planGarbage, waitsForDependents } from "./plan.ts";

const VERBS = ["list", "watch", "delete"];
/** Their objects never belong to anybody, and there are many. */
const LEFT_ALONE = ["events", "leases"];
const CONCURRENCY = 4;

const garbage: Daemon = {
  name: "generic-garbage-collector",
  user: "system:serviceaccount:kube-system:generic-garbage-collector",
  component: "generic-garbage-collector",
  run: (context, signal) => new Collector(context, signal).run(),
};
export default garbage;

class Collector {
  #queue: WorkQueue;
  #graph: Graph;

  constructor(readonly context: DaemonContext, readonly signal: AbortSignal) {
    this.#queue = new WorkQueue(context.clock, context.watch?.queue);
    this.#graph = new Graph(context.informers, (uids) => uids.forEach((uid) => this.#queue.add(uid)));
  }

  async run(): Promise<void> {
    const { clients, onSynced, onFailure } = this.context;
    let started = false;
    const workers: Promise<void>[] = [];
    await followResources(clients, VERBS, {
      onResources: async (found) => {
        await Promise.all(
          found.filter(({ resource }) => !LEFT_ALONE.includes(resource)).map((resource) => this.#graph.add(resource)),
        );
        if (started) return;
        // Not before all is known: an owner that is merely not listed yet would look gone.
        started = true;
        onSynced();
        for (let i = 0; i < CONCURRENCY; i++) workers.push(this.#work());
      },
      onFailure: (error) => onFailure("discovery", error),
    }, this.signal);
    await Promise.all(workers);
    this.#queue.close();
  }

  async #work(): Promise<void> {
    while (!this.signal.aborted) {
      let uid: string;
      try {
        uid = await this.#queue.take(this.signal);
      } catch {
        return; // the signal has fired
      }
      try {
        await this.#collect(uid);
        this.context.watch?.ended("success");
        this.#queue.done(uid);
      } catch (error) {
        if (this.signal.aborted) return;
        this.context.watch?.ended("error");
        this.#queue.failed(uid, backoffAfter(error));
        if (!isPassing(error)) {
          this.context.onFailure(this.#graph.get(uid)?.object.metadata.name ?? uid, error as Error);
        }
      }
    }
  }

  async #collect(uid: string): Promise<void> {
    const node = this.#graph.get(uid);
    if (node === undefined || node.resource.resource === "namespaces") return;
    const owners = node.object.metadata.ownerReferences ?? [];
    const states = new Map<string, OwnerState>();
    // One after the other: an object may name thousands, and the host takes only so many calls at a time.
    for (const owner of owners) states.set(owner.uid, await this.#stateOf(owner, node));
    const dependents = this.#graph.dependents(uid);
    const actions = planGarbage(
      node.object,
      (owner) => states.get(owner.uid) ?? "unknown",
      dependents.map(({ object }) => object),
    );
    for (const action of actions) {
      const target = [node, ...dependents].find(({ object }) => object === action.object)!;
      await carryOut(action, target, this.context.clients, this.signal);
    }
  }

  /** What is not known here is asked for: informers may lag behind the object that names it. */
  async #stateOf(owner: OwnerReference, { object, resource }: Node): Promise<OwnerState> {
    const known = this.#graph.get(owner.uid);
    if (known !== undefined && isMeant(known, owner, object)) return stateOf(known.object);
    const ownerResource = this.#graph.resourceOf(owner);
    if (ownerResource === undefined) return "unknown";
    // A namespaced owner of an object without a namespace cannot be named: nothing is concluded.
    if (ownerResource.namespaced && !resource.namespaced) return "unknown";
    const namespace = ownerResource.namespaced ? object.metadata.namespace : undefined;
    try {
      const found = await this.context.clients.of<KubernetesObject>(ownerResource).get(owner.name, {
        namespace,
        signal: this.signal,
      });
      return found.metadata.uid === owner.uid ? stateOf(found) : "gone";
    } catch (error) {
      if (isNotFound(error)) return "gone";
      throw error;
    }
  }
}

/** References reach owners of their own namespace, and those that have none; the rest is a mistake of who wrote them. */
function isMeant(
  { object: { metadata }, resource }: Node,
  owner: OwnerReference,
  dependent: KubernetesObject,
): boolean {
  const group = owner.apiVersion.includes("/") ? owner.apiVersion.slice(0, owner.apiVersion.indexOf("/")) : "";
  return resource.kind === owner.kind && resource.group === group && metadata.name === owner.name &&
    (!resource.namespaced || metadata.namespace === dependent.metadata.namespace);
}

function stateOf(object: KubernetesObject): OwnerState {
  return waitsForDependents(object) ? "waitsForDependents" : "present";
}

async function carryOut(
  action: GarbageAction,
  { object, resource }: Node,
  clients: ResourceClients,
  signal: AbortSignal,
): Promise<void> {
  const client = clients.of<KubernetesObject>(resource);
  const { name, namespace, uid, resourceVersion } = object.metadata;
  const change = (metadata: Record<string, unknown>) =>
    client.patch(name, {
      namespace,
      type: "merge",
      patch: { metadata: { uid, resourceVersion, ...metadata } },
      signal,
    });
  try {
    switch (action.do) {
      case "delete":
        await client.delete(name, {
          namespace,
          propagationPolicy: action.propagation,
          preconditions: { uid, resourceVersion },
          signal,
        });
        break;
      case "dropOwners":
        await change({
          ownerReferences: (object.metadata.ownerReferences ?? []).filter((owner) => !action.uids.includes(owner.uid)),
        });
        break;
      case "unblock":
        await change({
          ownerReferences: (object.metadata.ownerReferences ?? []).map((owner) => ({
            ...owner,
            blockOwnerDeletion: false,
          })),
        });
        break;
      case "dropFinalizer":
        await change({
          finalizers: (object.metadata.finalizers ?? []).filter((finalizer) => finalizer !== action.finalizer),
        });
    }
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
