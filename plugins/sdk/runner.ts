/**
 * Runs a controller: observes through informers, plans one object at a time, does what the plan says, and plans
 * again on the next change. All that is clever is in the planner; all that can fail is here.
 */
import type { ResourceClients } from "@k3ts/client";
import { currentTrace, traced } from "@k3ts/client/telemetry";
import { type Clock, type KubernetesObject, momentOf, type ResourceRef } from "@k3ts/model/objects";
import { isDeepStrictEqual } from "node:util";
import { act, type Write } from "./act.ts";
import type { ControllerWatch } from "./controller_metrics.ts";
import type { Controller, PlanInput, Related, View } from "./controller.ts";
import type { EventRecorder } from "./events.ts";
import { ActionFailed, backoffAfter, isNamespaceGoing, isPassing, isRefusal } from "./failures.ts";
import type { SharedInformer, SharedInformers } from "./informers.ts";
import type { Action, Plan } from "./plan.ts";
import { WorkQueue } from "./queue.ts";

/** Conflicts in a row that are nobody's business: somebody else was faster. More are a quarrel. */
const CONFLICTS_SILENT_MAX = 5;

export interface RunnerOptions {
  informers: SharedInformers;
  /** Clients that speak as the controller. */
  clients: ResourceClients;
  recorder: EventRecorder;
  clock: Clock;
  onSynced: () => void;
  /** What a person should know; `error` is what went wrong with one object. */
  onFailure: (object: string, error: Error) => void;
  /** What a person may want to know who looks closely. */
  onReconciled?: (object: string, plan: Plan) => void;
  watch?: ControllerWatch;
}

/** Runs until the signal fires. */
export async function runController(
  controller: Controller,
  options: RunnerOptions,
  signal: AbortSignal,
): Promise<void> {
  const runner = new Runner(controller, options, signal);
  await runner.run();
}

class Runner {
  #queue: WorkQueue;
  /** What was written for an object and may not be seen yet. */
  #unseen = new Map<string, Write[]>();
  /** Of the newest change that an object waits for. */
  #traces = new Map<string, string>();
  #objects: SharedInformer;
  #related: Record<string, SharedInformer>;

  constructor(readonly controller: Controller, readonly options: RunnerOptions, readonly signal: AbortSignal) {
    this.#queue = new WorkQueue(options.clock, options.watch?.queue);
    this.#objects = options.informers.of(controller.resource);
    this.#related = Object.fromEntries(
      Object.entries(controller.relations).map(([name, { resource }]) => [name, options.informers.of(resource)]),
    );
  }

  async run(): Promise<void> {
    const informers = [this.#objects, ...Object.values(this.#related)].map(({ informer }) => informer);
    try {
      await Promise.all(informers.map((informer) => informer.synced));
    } catch (error) {
      if (this.signal.aborted) return;
      throw error;
    }
    const unsubscribe = this.#subscribe();
    this.options.onSynced();
    await Promise.all(Array.from({ length: this.controller.concurrency }, () => this.#work()));
    for (const stop of unsubscribe) stop();
    this.#queue.close();
  }

  #subscribe(): (() => void)[] {
    const enqueue = (object: KubernetesObject) => {
      const key = keyOf(object);
      const trace = currentTrace();
      if (trace !== "") this.#traces.set(key, trace);
      this.#queue.add(key);
    };
    const objects = view(this.#objects);
    return [
      this.#objects.informer.onChange((_type, object) => enqueue(object)),
      ...Object.entries(this.controller.relations).map(([name, { wakes, matters }]) =>
        this.#related[name]!.informer.onChange((type, related, old) => {
          if (type === "updated" && old !== undefined && matters?.(related, old) === false) return;
          for (const state of old === undefined ? [related] : [old, related]) wakes(state, objects).forEach(enqueue);
        })
      ),
    ];
  }

  async #work(): Promise<void> {
    while (!this.signal.aborted) {
      let key: string;
      try {
        key = await this.#queue.take(this.signal);
      } catch {
        return; // the signal has fired
      }
      const trace = this.#traces.get(key) ?? "";
      this.#traces.delete(key);
      const { name } = this.controller;
      try {
        await traced(trace, `reconcile ${name}`, { controller: name, object: key }, () => this.#reconcile(key));
        this.options.watch?.ended("success");
        this.#queue.done(key);
      } catch (error) {
        if (this.signal.aborted) return;
        this.#failed(key, error as Error);
      }
    }
  }

  #failed(key: string, error: Error): void {
    if (isNamespaceGoing(error)) return this.#queue.done(key);
    this.options.watch?.ended("error");
    this.#queue.failed(key, backoffAfter(error));
    if (isPassing(error) && this.#queue.failuresOf(key) <= CONFLICTS_SILENT_MAX) return;
    this.options.onFailure(key, error);
  }

  async #reconcile(key: string): Promise<void> {
    await this.#seeOwnWrites(key);
    const [namespace, name] = splitKey(key);
    const object = this.#objects.informer.get(namespace, name);
    if (object === undefined || !this.controller.when(object)) return;
    const { wall: now, monotonic } = momentOf(this.options.clock);
    const plan = this.controller.plan(
      { object, now, monotonic, ...this.#observe(object) } as PlanInput<KubernetesObject> & Related,
    );
    const onWrite = (write: Write) => this.#remember(key, write);
    await this.#carryOut(object, plan, this.#queue.failuresOf(key) > 0, onWrite);
    this.options.watch?.planned(plan);
    if (plan.actions.length > 0) this.options.onReconciled?.(key, plan);
    if (plan.reconsiderAt !== undefined) this.#queue.addAt(key, plan.reconsiderAt);
  }

  async #carryOut(
    object: KubernetesObject,
    plan: Plan,
    careful: boolean,
    onWrite: (write: Write) => void,
  ): Promise<void> {
    const { clients, recorder } = this.options;
    const { resource: ownerResource } = this.controller;
    const context = { clients, recorder, owner: object, ownerResource, careful, signal: this.signal };
    try {
      await act(plan.actions, context, onWrite);
    } catch (error) {
      if (error instanceof ActionFailed && isRefusal(error) && !isNamespaceGoing(error)) {
        await this.#tellRefusal(object, plan, error, onWrite);
      }
      throw error;
    }
    if (plan.status !== undefined) await this.#writeStatus(object, plan.status, onWrite);
  }

  /** What the server will not take is said where people look: in an event, and in the status. */
  async #tellRefusal(
    object: KubernetesObject,
    plan: Plan,
    { action, message }: ActionFailed,
    onWrite: (write: Write) => void,
  ): Promise<void> {
    this.options.recorder.record({
      about: object,
      resource: this.controller.resource,
      type: "Warning",
      reason: REFUSAL_REASONS[action.do] ?? "FailedUpdate",
      message: `Error: ${message}`,
    });
    const status = plan.statusAfter?.({ action, message }) ?? plan.status;
    if (status !== undefined) await this.#writeStatus(object, status, onWrite);
  }

  #observe(object: KubernetesObject): Related {
    return Object.fromEntries(
      Object.entries(this.controller.relations).map((
        [name, { find }],
      ) => [name, find(object, view(this.#related[name]!))]),
    );
  }

  async #writeStatus(object: KubernetesObject, status: object, onWrite: (write: Write) => void): Promise<void> {
    if (isDeepStrictEqual(withoutUndefined(status), withoutUndefined((object as { status?: object }).status ?? {}))) {
      return;
    }
    const { resource } = this.controller;
    const written = await this.options.clients.of<KubernetesObject>(resource).updateStatus(
      { ...object, status } as KubernetesObject,
      { signal: this.signal },
    );
    onWrite({ resource, revision: Number(written.metadata.resourceVersion) });
  }

  /** A plan made from an observation older than the last plan's writes would do them again. */
  async #seeOwnWrites(key: string): Promise<void> {
    const writes = this.#unseen.get(this.#scope(key)) ?? [];
    this.#unseen.delete(this.#scope(key));
    for (const { resource, revision, changed } of writes) {
      const shared = this.#informerOf(resource);
      if (revision !== undefined) await shared?.seen(revision, this.signal);
      if (changed !== undefined) await shared?.changed(changed, this.signal);
    }
  }

  #remember(key: string, write: Write): void {
    const scope = this.#scope(key);
    this.#unseen.set(scope, [...this.#unseen.get(scope) ?? [], write]);
  }

  /** A serial controller waits for the writes of every object, any other one for those of the same object. */
  #scope(key: string): string {
    return this.controller.serial ? "" : key;
  }

  #informerOf(resource: ResourceRef): SharedInformer | undefined {
    if (isSame(resource, this.controller.resource)) return this.#objects;
    const name = Object.keys(this.controller.relations).find((name) =>
      isSame(this.controller.relations[name]!.resource, resource)
    );
    return name === undefined ? undefined : this.#related[name];
  }
}

const REFUSAL_REASONS: Partial<Record<Action["do"], string>> = {
  create: "FailedCreate",
  delete: "FailedDelete",
  post: "FailedPost",
};

function view({ informer }: SharedInformer): View<KubernetesObject> {
  return informer;
}

function keyOf(object: KubernetesObject): string {
  return `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
}

function splitKey(key: string): [namespace: string, name: string] {
  const slash = key.indexOf("/");
  return [key.slice(0, slash), key.slice(slash + 1)];
}

function isSame(a: ResourceRef, b: ResourceRef): boolean {
  return a.group === b.group && a.resource === b.resource;
}

/** As JSON would have it: a field that is undefined is not there. */
function withoutUndefined(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
