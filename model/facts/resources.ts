/** The resources that Kubernetes serves: which versions, names, verbs and subresources each has. */
import groups from "./groups.json" with { type: "json" };
import kubernetes from "./kubernetes.json" with { type: "json" };
import rows from "./resources.json" with { type: "json" };
import { type TypeFacts, typeFacts } from "./types.ts";

/** A kind with the group and version that its type is found under. */
export interface GroupVersionKind {
  /** `""` is the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

export type Verb = "create" | "delete" | "deletecollection" | "get" | "list" | "patch" | "update" | "watch";

/** What is reached under an object: `pods/exec`. */
export interface SubresourceFacts extends GroupVersionKind {
  /** `exec`. */
  readonly name: string;
  readonly verbs: readonly Verb[];
}

/** What one version of a resource serves. */
export interface ResourceVersionFacts {
  readonly version: string;
  /** Of the resource itself; empty when only subresources are served. */
  readonly verbs: readonly Verb[];
  readonly subresources?: readonly SubresourceFacts[];
}

/** A resource of a group. Custom resources bring the same. */
export interface ResourceFacts {
  readonly group: string;
  /** The plural: `pods`. */
  readonly resource: string;
  readonly kind: string;
  readonly singular: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly namespaced: boolean;
  /** The preferred one first. */
  readonly versions: readonly ResourceVersionFacts[];
  /** Absent for what is never stored (reviews, bindings). */
  readonly storageVersion?: string;
}

/** An API group; the preferred version first. */
export interface GroupFacts {
  readonly name: string;
  readonly versions: readonly string[];
}

/** The version of Kubernetes whose API this is: `1.35.4`. */
export const KUBERNETES_VERSION: string = kubernetes.version;

const all = rows as unknown as readonly ResourceFacts[];
let byName: Map<string, ResourceFacts> | undefined;

/** Every resource, by group in the order of discovery. */
export function allResources(): readonly ResourceFacts[] {
  return all;
}

/** Every group in the order of discovery; the core group, with the name `""`, first. */
export function allGroups(): readonly GroupFacts[] {
  return groups;
}

/** A resource by group and plural: `resourceFacts("apps", "deployments")`. */
export function resourceFacts(group: string, resource: string): ResourceFacts | undefined {
  byName ??= new Map(all.map((row) => [`${row.group}/${row.resource}`, row]));
  return byName.get(`${group}/${resource}`);
}

/** A resource by group and kind: `resourceOfKind("apps", "Deployment")`. */
export function resourceOfKind(group: string, kind: string): ResourceFacts | undefined {
  return all.find((row) => row.group === group && row.kind === kind);
}

/** What a version of a resource serves. */
export function versionFacts(resource: ResourceFacts, version: string): ResourceVersionFacts | undefined {
  return resource.versions.find((served) => served.version === version);
}

/** A subresource of a version: `subresourceFacts(pods, "v1", "exec")`. */
export function subresourceFacts(
  resource: ResourceFacts,
  version: string,
  name: string,
): SubresourceFacts | undefined {
  return versionFacts(resource, version)?.subresources?.find((sub) => sub.name === name);
}

/** The type of a resource's objects in a version. */
export function objectType(resource: ResourceFacts, version: string): TypeFacts | undefined {
  return typeFacts(resource.group, version, resource.kind);
}

/** `apps/v1`, or `v1` for the core group. */
export function apiVersionOf(group: string, version: string): string {
  return group === "" ? version : `${group}/${version}`;
}

/** The group and version of an `apiVersion`. */
export function parseApiVersion(apiVersion: string): { group: string; version: string } {
  const at = apiVersion.lastIndexOf("/");
  return { group: apiVersion.slice(0, Math.max(at, 0)), version: apiVersion.slice(at + 1) };
}
