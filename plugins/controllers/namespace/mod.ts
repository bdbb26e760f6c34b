/** Empties a namespace that is to be deleted, and lets it go when nothing is left in it. */
import { isNotFound } from "@k3ts/client";
import {
  formatTime,
  type KubernetesObject,
  mergeConditions,
  type Namespace,
  type ResourceRef,
  resources,
} from "@k3ts/model/objects";
import { type Backoff, type Daemon, type DaemonContext, isPassing, WorkQueue } from "../../sdk/mod.ts";
import { resourcesWith } from "../discovery.ts";
import { conditionsOf, type Content, contentOf, type NamespaceCondition, planNamespace } from "./plan.ts";

const VERBS = ["list", "deletecollection"];
/** What is on its way out may take its time. */
const LOOK_AGAIN: Backoff = { msMin: 50, msMax: 5_000 };
const CONCURRENCY = 2;

const namespaces: Daemon = {
  name: "namespace",
  user: "system:serviceaccount:kube-system:namespace-controller",
  component: "namespace-controller",
  run,
};
export default namespaces;

async function run(context: DaemonContext, signal: AbortSignal): Promise<void> {
  const { informer } = context.informers.of(resources.namespaces);
  const queue = new WorkQueue(context.clock, context.watch?.queue);
  try {
    await informer.synced;
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
  informer.onChange((_type, { metadata }) => {
    if (metadata.deletionTimestamp !== undefined) queue.add(metadata.name);
  });
  context.onSynced();
  await Promise.all(Array.from({ length: CONCURRENCY }, () => work(queue, context, signal)));
  queue.close();
}

async function work(queue: WorkQueue, context: DaemonContext, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const name = await queue.take(signal).catch(() => undefined); // rejects only when the signal fires
    if (name === undefined) return;
    try {
      if (await clear(name, context, signal)) queue.failed(name, LOOK_AGAIN);
      else queue.done(name);
      context.watch?.ended("success");
    } catch (error) {
      if (signal.aborted) return;
      context.watch?.ended("error");
      queue.failed(name, LOOK_AGAIN);
      if (!isPassing(error)) context.onFailure(name, error as Error);
    }
  }
}

/** @returns whether to look again soon */
async function clear(name: string, { clients, clock }: DaemonContext, signal: AbortSignal): Promise<boolean> {
  const client = clients.of<Namespace>(resources.namespaces);
  const namespace = await client.get(name, { signal }).catch((error) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
  if (namespace === undefined || namespace.metadata.deletionTimestamp === undefined) return false;
  const found = (await resourcesWith(clients, VERBS, signal)).filter(({ namespaced }) => namespaced);
  const contents = await Promise.all(found.map((resource) => look(resource)));
  const plan = planNamespace(namespace, contents);
  const failures = plan.do === "empty" ? await empty(plan.resources) : [];
  if (plan.do === "finalize") {
    await client.update({ ...namespace, spec: { ...namespace.spec, finalizers: plan.finalizers } }, {
      subresource: "finalize",
      signal,
    });
  }
  // One that is gone in a moment needs no words.
  if (plan.do === "wait" || failures.length > 0) await tell(namespace);
  if (failures.length > 0) throw failures[0];
  return plan.do === "empty" || plan.do === "wait";

  async function look(resource: ResourceRef): Promise<Content> {
    const { items } = await clients.of<KubernetesObject>(resource).list({ namespace: name, signal });
    return contentOf(resource, items);
  }

  async function empty(resources: readonly ResourceRef[]): Promise<Error[]> {
    const results = await Promise.allSettled(
      resources.map((resource) =>
        clients.of(resource).deleteCollection({ namespace: name, propagationPolicy: "Background", signal })
      ),
    );
    signal.throwIfAborted();
    return results.flatMap((result) => result.status === "rejected" ? [result.reason as Error] : []);
  }

  async function tell(seen: Namespace): Promise<void> {
    const said = conditionsOf(contents, failures.map(({ message }) => message));
    const before = seen.status?.conditions;
    const conditions = mergeConditions<NamespaceCondition>(before, said, formatTime(clock.wall()));
    if (conditions === before) return;
    await client.updateStatus({ ...seen, status: { ...seen.status, conditions: [...conditions] } }, { signal });
  }
}
