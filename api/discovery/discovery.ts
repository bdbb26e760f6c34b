/** The documents by which clients find out what is served. Sources: meta/v1 APIResourceList, apidiscovery.k8s.io/v2. */
import { allGroups, apiVersionOf, type SubresourceFacts } from "@k3ts/model";
import type { ResourceTable, ServedResource } from "../resources.ts";
import { type ComputedGroup, ComputedGroups, type ComputedResource } from "./computed.ts";

interface GroupVersion {
  groupVersion: string;
  version: string;
}

interface ApiGroup {
  name: string;
  versions: GroupVersion[];
  preferredVersion: GroupVersion;
}

interface ApiResource {
  name: string;
  singularName: string;
  namespaced: boolean;
  kind: string;
  group?: string;
  version?: string;
  verbs: readonly string[];
  shortNames?: readonly string[];
  categories?: readonly string[];
}

export class Discovery {
  readonly #resources: ResourceTable;
  readonly #computed: ComputedGroups;

  constructor(resources: ResourceTable, computed: ComputedGroups = new ComputedGroups()) {
    this.#resources = resources;
    this.#computed = computed;
  }

  /** `/api` */
  apiVersions(): object {
    const serverAddressByClientCIDRs: object[] = [];
    return { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs };
  }

  /** `/apis` */
  groupList(): object {
    return { kind: "APIGroupList", apiVersion: "v1", groups: this.#groups().map(toGroup) };
  }

  /** `/apis/{group}`; undefined where there is none */
  group(name: string): object | undefined {
    const versions = this.#groups().find(([group]) => group === name);
    return versions && { kind: "APIGroup", apiVersion: "v1", ...toGroup(versions) };
  }

  /** `/api/v1`, `/apis/{group}/{version}`; undefined where nothing is served */
  resourceList(groupVersion: string): object | undefined {
    const served = this.#resources.all.filter(({ apiVersion }) => apiVersion === groupVersion);
    const computed = this.#computedIn(groupVersion)?.resources ?? [];
    if (served.length === 0 && computed.length === 0) return undefined;
    const resources = [
      ...served.flatMap((resource) => [
        toResource(resource),
        ...resource.subresources.map((subresource) => toSubresource(resource, subresource)),
      ]),
      ...computed.map(toComputed),
    ].sort((a, b) => a.name < b.name ? -1 : 1);
    return { kind: "APIResourceList", apiVersion: "v1", groupVersion, resources };
  }

  /** `/api` (the core group) or `/apis` (the others) with everything below, in one document. */
  aggregated(core: boolean): object {
    const groups = core ? [["", this.#versionsOf("")] as const] : this.#groups();
    return {
      kind: "APIGroupDiscoveryList",
      apiVersion: "apidiscovery.k8s.io/v2",
      metadata: {},
      items: groups.map(([name, versions]) => ({
        metadata: { ...(name !== "" && { name }), creationTimestamp: null },
        versions: versions.map((version) => this.#discoverVersion(apiVersionOf(name, version), version)),
      })),
    };
  }

  #discoverVersion(groupVersion: string, version: string): object {
    const computed = this.#computedIn(groupVersion);
    const resources = [
      ...this.#resources.all.filter(({ apiVersion }) => apiVersion === groupVersion).map(discoverResource),
      ...(computed?.resources.map((resource) => discoverComputed(computed, resource)) ?? []),
    ];
    return { version, resources, freshness: "Current" };
  }

  /** Groups that have something served, without the core group, in Kubernetes's order. */
  #groups(): (readonly [string, string[]])[] {
    const stored = allGroups().map(({ name }) => [name, this.#versionsOf(name)] as const)
      .filter(([name, versions]) => name !== "" && versions.length > 0);
    return [...stored, ...this.#computed.all.map(({ group, version }) => [group, [version]] as [string, string[]])];
  }

  #computedIn(groupVersion: string): ComputedGroup | undefined {
    return this.#computed.all.find(({ group, version }) => apiVersionOf(group, version) === groupVersion);
  }

  #versionsOf(group: string): string[] {
    return [...new Set(this.#resources.all.filter((one) => one.group === group).map(({ version }) => version))];
  }
}

function toGroup([name, versions]: readonly [string, string[]]): ApiGroup {
  const all = versions.map((version) => ({ groupVersion: apiVersionOf(name, version), version }));
  return { name, versions: all, preferredVersion: all[0]! };
}

function toResource({ facts, resource, namespaced, kind, verbs }: ServedResource): ApiResource {
  return {
    name: resource,
    singularName: facts.singular,
    namespaced,
    kind,
    verbs,
    ...(facts.shortNames && { shortNames: facts.shortNames }),
    ...(facts.categories && { categories: facts.categories }),
  };
}

function toComputed({ resource, namespaced, kind, verbs }: ComputedResource): ApiResource {
  return { name: resource, singularName: "", namespaced, kind, verbs };
}

function discoverComputed(
  { group, version }: ComputedGroup,
  { resource, kind, namespaced, verbs }: ComputedResource,
): object {
  return {
    resource,
    responseKind: { group, version, kind },
    scope: namespaced ? "Namespaced" : "Cluster",
    singularResource: "",
    verbs,
  };
}

function toSubresource(resource: ServedResource, { name, kind, group, version, verbs }: SubresourceFacts): ApiResource {
  const own = group === resource.group && version === resource.version;
  return {
    name: `${resource.resource}/${name}`,
    singularName: "",
    namespaced: resource.namespaced,
    ...(!own && { group, version }),
    kind,
    verbs,
  };
}

function discoverResource(resource: ServedResource): object {
  const { facts, group, version, kind, namespaced, verbs, subresources } = resource;
  return {
    resource: resource.resource,
    responseKind: { group, version, kind },
    scope: namespaced ? "Namespaced" : "Cluster",
    singularResource: facts.singular,
    verbs,
    ...(facts.shortNames && { shortNames: facts.shortNames }),
    ...(facts.categories && { categories: facts.categories }),
    ...(subresources.length > 0 && {
      subresources: subresources.map((subresource) => ({
        subresource: subresource.name,
        responseKind: { group: subresource.group, version: subresource.version, kind: subresource.kind },
        verbs: subresource.verbs,
      })),
    }),
  };
}
