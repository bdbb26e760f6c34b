/**
 * Decides what is next on the way out of a namespace: its pods, then the rest, then the namespace. Pure.
 * (docs: "Namespaces"; pods go first so that they do not lose what they use while they end.)
 */
import type { Namespace, ResourceRef } from "@k3ts/model/objects";

export interface Content {
  resource: ResourceRef;
  /** How many objects are still there. */
  count: number;
  /** Whether all of them are already asked to leave. */
  leaving: boolean;
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
  const pods = present.filter(({ resource }) => resource.group === "" && resource.resource === "pods");
  const turn = pods.length > 0 ? pods : present;
  const staying = turn.filter(({ leaving }) => !leaving).map(({ resource }) => resource);
  return staying.length > 0 ? { do: "empty", resources: staying } : { do: "wait" };
}
