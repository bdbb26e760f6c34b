import type { JsonObject } from "../json.ts";
import type { ResourceFacts } from "../facts/resources.ts";

/** A resource in a version in which the server serves it. */
export interface ServedResource {
  readonly facts: ResourceFacts;
  readonly version: string;
  /** The schema of a custom resource as it was declared, to be published as it is in place of one made from facts. */
  readonly schema?: JsonObject;
}

/** Where a group and version is served: `api/v1`, `apis/apps/v1`. */
export function groupVersionPath(group: string, version: string): string {
  return group === "" ? `api/${version}` : `apis/${group}/${version}`;
}

/** Served resources by the path of their group and version, in the order given. */
export function byGroupVersion(served: readonly ServedResource[]): Map<string, ServedResource[]> {
  return Map.groupBy(served, ({ facts, version }) => groupVersionPath(facts.group, version));
}

/** The name of a custom resource's schema: `com.example.v1.Widget`. */
export function customSchemaName(group: string, version: string, kind: string): string {
  return [...group.split(".").reverse(), version, kind].join(".");
}

/** What all operations on a kind are marked with. */
export function groupVersionKind(group: string, version: string, kind: string): JsonObject {
  return { group, kind, version };
}

/** The group and version in an operation's name: `CoreV1`, `RbacAuthorizationV1`. */
export function operationPrefix(group: string, version: string): string {
  const parts = group === "" ? ["core"] : group.replace(/\.k8s\.io$/, "").split(".");
  return [...parts, version].map(capital).join("");
}

/** `Scale` of `scale`. */
export function capital(word: string): string {
  return word[0]!.toUpperCase() + word.slice(1);
}

/** The tag of a group and version, which generators make a class of: `core_v1`, `apps_v1`. */
export function tagOf(group: string, version: string): string {
  return `${group === "" ? "core" : group.replace(/\.k8s\.io$/, "").replaceAll(".", "")}_${version}`;
}
