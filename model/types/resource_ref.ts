import type { ObjectMeta } from "./generated/mod.ts";

/** What every stored object has. Items of a list may lack `apiVersion` and `kind`. */
export interface KubernetesObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
}

/** Which resource a client speaks to, and by its type what comes back: `resources.pods` is a `ResourceRef<Pod>`. */
export interface ResourceRef<T = KubernetesObject> {
  /** `""` is the core group. */
  readonly group: string;
  readonly version: string;
  /** The plural: `pods`. */
  readonly resource: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** Never there at run time: it only carries the type. */
  readonly object?: T;
}

/**
 * An object that is yet to be created: its name may still be left to `generateName`, and what the server gives
 * (uid, resourceVersion, creationTimestamp) is not there.
 */
export type Draft<T extends { metadata: unknown }> = Omit<T, "metadata"> & { metadata: Partial<ObjectMeta> };
