/**
 * The objects of the Kubernetes API as plain data. Bare names are those of the preferred stable version; all versions
 * are reachable by namespace: `coreV1.Event`, `eventsV1.Event`.
 *
 * Fields of an object as read: `metadata.name`, `uid`, `resourceVersion` and `creationTimestamp` are always there.
 * Use {@link Draft} for an object that is yet to be created.
 */
export * from "./generated/mod.ts";
export { resources } from "./generated/resources.ts";
export type { Draft, KubernetesObject, ResourceRef } from "./resource_ref.ts";
