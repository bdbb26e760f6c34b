/**
 * How a controller is written: what it is for, what it looks at, and a pure planner. Built-in controllers are
 * written exactly as those of third parties.
 *
 * ```ts
 * export default controller({
 *   name: "replicaset",
 *   for: resources.replicasets,
 *   owns: { pods: resources.pods },
 *   selects: { pods: (set) => set.spec?.selector },
 *   plan: ({ object, pods, now }) => planReplicaSet(object, pods, now),
 * });
 * ```
 */
import type { Index } from "@k3ts/client";
import {
  controllerOf,
  type KubernetesObject,
  type LabelSelector,
  matches,
  type MonotonicTime,
  type ResourceRef,
  type WallTime,
} from "@k3ts/model/objects";
import type { Attempts } from "./controller_metrics.ts";
import type { Plan } from "./plan.ts";

/** All objects of one resource, as the informer knows them. */
export interface View<T> {
  get(namespace: string, name: string): T | undefined;
  /** Of one namespace, or of all. */
  list(namespace?: string): readonly T[];
  /** Objects by what a function finds in them, kept up to date. Make it once, not once a look. */
  index(keysOf: (object: T) => readonly string[]): Index<T>;
}

/** A relation that is neither ownership nor a selector of the planned object. */
export interface Relation<T, R> {
  resource: ResourceRef<R>;
  /** What the planner sees. */
  find: (object: T, all: View<R>) => readonly R[];
  /** Which planned objects may change because this one did. */
  wakes: (related: R, objects: View<T>) => readonly T[];
  /** Whether a change of one wakes anything: heartbeats need not. @default always */
  matters?: (now: R, before: R) => boolean;
}

/** What a planner is given beside the object: lists, by the names under which they were declared. */
export type Related = Record<string, readonly KubernetesObject[]>;

export interface PlanInput<T> {
  object: T;
  now: WallTime;
  /** The same moment, for what a controller remembers by itself. */
  monotonic: MonotonicTime;
}

type Refs<R extends Related> = { [K in keyof R]?: ResourceRef<R[K][number]> };

export interface ControllerSpec<T extends KubernetesObject, R extends Related> {
  /** Lower case; what a person reads in logs and events. */
  name: string;
  /** The Kubernetes user that it writes as. @default `system:serviceaccount:kube-system:NAME-controller` */
  user?: string;
  /** Who its events are from, and as which it writes (`metadata.managedFields`). @default `NAME-controller` */
  component?: string;
  for: ResourceRef<T>;
  /** Objects of which the planned one is the controller (metadata.ownerReferences). */
  owns?: Refs<R>;
  /** Beside what it owns: objects without a controller that this selector picks, and that it may adopt. */
  selects?: { [K in keyof R]?: (object: T) => LabelSelector | undefined };
  maps?: { [K in keyof R]?: Relation<T, R[K][number]> };
  /** Only these are planned. @default all */
  when?: (object: T) => boolean;
  plan: (input: PlanInput<T> & R) => Plan;
  /** Objects planned at the same time. @default 4 */
  concurrency?: number;
  /** One object at a time, each seeing what was written for the one before. @default false */
  serial?: boolean;
  /** Counted beside what is counted of every controller. */
  attempts?: Attempts;
}

/** A controller as the runner needs it: with its types erased and its relations in one form. */
export interface Controller {
  name: string;
  user: string;
  component: string;
  resource: ResourceRef;
  relations: Record<string, Relation<KubernetesObject, KubernetesObject>>;
  when: (object: KubernetesObject) => boolean;
  plan: (input: PlanInput<KubernetesObject> & Related) => Plan;
  concurrency: number;
  serial: boolean;
  attempts?: Attempts;
}

// deno-lint-ignore ban-types -- a controller that looks at nothing else has no relations
export function controller<T extends KubernetesObject, R extends Related = {}>(spec: ControllerSpec<T, R>): Controller {
  const relations: Record<string, Relation<T, KubernetesObject>> = {};
  for (const [name, resource] of Object.entries(spec.owns ?? {}) as [string, ResourceRef][]) {
    relations[name] = ownership(spec.for, resource, spec.selects?.[name]);
  }
  for (const [name, relation] of Object.entries(spec.maps ?? {})) {
    relations[name] = relation as unknown as Relation<T, KubernetesObject>;
  }
  return {
    name: spec.name,
    user: spec.user ?? `system:serviceaccount:kube-system:${spec.name}-controller`,
    component: spec.component ?? `${spec.name}-controller`,
    resource: spec.for,
    relations: relations as unknown as Controller["relations"],
    when: (spec.when ?? (() => true)) as Controller["when"],
    plan: spec.plan as unknown as Controller["plan"],
    concurrency: spec.serial === true ? 1 : spec.concurrency ?? 4,
    serial: spec.serial ?? false,
    ...(spec.attempts !== undefined && { attempts: spec.attempts }),
  };
}

/** What an object controls, and the orphans that its selector would have it adopt. */
function ownership<T extends KubernetesObject>(
  owner: ResourceRef<T>,
  resource: ResourceRef,
  selectorOf?: (object: T) => LabelSelector | undefined,
): Relation<T, KubernetesObject> {
  const wants = (object: T, candidate: KubernetesObject) => {
    const selector = selectorOf?.(object);
    return selector !== undefined && matches(selector, candidate.metadata.labels);
  };
  const indexes = new WeakMap<View<KubernetesObject>, Index<KubernetesObject>>();
  const byOwner = (all: View<KubernetesObject>) => {
    const index = indexes.get(all) ?? all.index((candidate) => [ownerKey(candidate)]);
    indexes.set(all, index);
    return index;
  };
  return {
    resource,
    find: (object, all) => {
      const orphans = selectorOf === undefined ? [] : byOwner(all).get(orphanKey(object));
      return [...byOwner(all).get(object.metadata.uid), ...orphans.filter((orphan) => wants(object, orphan))];
    },
    wakes: (candidate, objects) => {
      const controller = controllerOf(candidate);
      if (controller === undefined) {
        return objects.list(candidate.metadata.namespace).filter((object) => wants(object, candidate));
      }
      if (controller.kind !== owner.kind) return [];
      const object = objects.get(candidate.metadata.namespace ?? "", controller.name);
      return object !== undefined && object.metadata.uid === controller.uid ? [object] : [];
    },
  };
}

/** The uid of its controller, or that it has none in its namespace. */
function ownerKey(object: KubernetesObject): string {
  return controllerOf(object)?.uid ?? orphanKey(object);
}

function orphanKey({ metadata }: KubernetesObject): string {
  return `/${metadata.namespace ?? ""}`;
}
