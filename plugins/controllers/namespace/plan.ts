/**
 * Decides what is next on the way out of a namespace: its pods, then the rest, then the namespace. Pure.
 * (docs: "Namespaces"; pods go first so that they do not lose what they use while they end.)
 */
import { isTerminal, type KubernetesObject, type Namespace, type Pod, type ResourceRef } from "@k3ts/model/objects";

export interface Content {
  resource: ResourceRef;
  /** How many objects are still there. */
  count: number;
  /** Whether all of them are already asked to leave. */
  leaving: boolean;
  /** Whether something runs in it: pods whose containers have not ended. */
  running: boolean;
  /** How many objects each finalizer holds. */
  finalizers: Record<string, number>;
}

export function contentOf(resource: ResourceRef, objects: readonly KubernetesObject[]): Content {
  const finalizers: Record<string, number> = {};
  for (const { metadata } of objects) {
    for (const finalizer of metadata.finalizers ?? []) finalizers[finalizer] = (finalizers[finalizer] ?? 0) + 1;
  }
  return {
    resource,
    count: objects.length,
    leaving: objects.every(({ metadata }) => metadata.deletionTimestamp !== undefined),
    running: isPods(resource) && !objects.every((pod) => isTerminal(pod as Pod)),
    finalizers,
  };
}

const FINALIZER = "kubernetes";

export type NamespacePlan =
  | { do: "rest" }
  /** Delete all objects of these resources, then look again. */
  | { do: "empty"; resources: ResourceRef[] }
  /** Nothing can be done but wait for what is leaving. */
  | { do: "wait" }
  | { do: "finalize"; finalizers: string[] };

export function planNamespace(namespace: Namespace, contents: readonly Content[]): NamespacePlan {
  const finalizers = namespace.spec?.finalizers ?? [];
  if (namespace.metadata.deletionTimestamp === undefined || !finalizers.includes(FINALIZER)) return { do: "rest" };
  const present = contents.filter(({ count }) => count > 0);
  if (present.length === 0) {
    return {
      do: "finalize",
      finalizers: finalizers.filter((finalizer) => finalizer !== FINALIZER),
    };
  }
  // Pods that have ended and are held by a finalizer wait for no turn: it may be their Job's, which has to go first.
  const pods = present.filter(({ resource, running, leaving }) => isPods(resource) && (running || !leaving));
  const turn = pods.length > 0 ? pods : present;
  const staying = turn.filter(({ leaving }) => !leaving).map(({ resource }) => resource);
  return staying.length > 0 ? { do: "empty", resources: staying } : { do: "wait" };
}

function isPods({ group, resource }: ResourceRef): boolean {
  return group === "" && resource === "pods";
}

export type NamespaceCondition = NonNullable<NonNullable<Namespace["status"]>["conditions"]>[number];

/** What to say of a namespace that does not get empty at once. @param failures messages of what could not be deleted */
export function conditionsOf(
  contents: readonly Content[],
  failures: readonly string[],
): Omit<NamespaceCondition, "lastTransitionTime">[] {
  const remaining = contents.filter(({ count }) => count > 0)
    .map(({ resource, count }) => `${resource.resource}.${resource.group} has ${count} resource instances`).sort();
  const held = new Map<string, number>();
  for (const { finalizers } of contents) {
    for (const [finalizer, count] of Object.entries(finalizers)) {
      held.set(finalizer, (held.get(finalizer) ?? 0) + count);
    }
  }
  const holding = [...held].map(([finalizer, count]) => `${finalizer} in ${count} resource instances`).sort();
  const failed = `Failed to delete all resource types, ${failures.length} remaining: ${
    [...failures].sort().join(", ")
  }`;
  return [
    failures.length > 0
      ? { type: "NamespaceDeletionContentFailure", status: "True", reason: "ContentDeletionFailed", message: failed }
      : {
        type: "NamespaceDeletionContentFailure",
        status: "False",
        reason: "ContentDeleted",
        message: "All content successfully deleted, may be waiting on finalization",
      },
    remaining.length > 0
      ? {
        type: "NamespaceContentRemaining",
        status: "True",
        reason: "SomeResourcesRemain",
        message: `Some resources are remaining: ${remaining.join(", ")}`,
      }
      : {
        type: "NamespaceContentRemaining",
        status: "False",
        reason: "ContentRemoved",
        message: "All content successfully removed",
      },
    holding.length > 0
      ? {
        type: "NamespaceFinalizersRemaining",
        status: "True",
        reason: "SomeFinalizersRemain",
        message: `Some content in the namespace has finalizers remaining: ${holding.join(", ")}`,
      }
      : {
        type: "NamespaceFinalizersRemaining",
        status: "False",
        reason: "ContentHasNoFinalizers",
        message: "All content-preserving finalizers finished",
      },
  ];
}
