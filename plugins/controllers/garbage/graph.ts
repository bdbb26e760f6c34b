/** All objects of all resources by uid and by the uids of their owners, over the shared informers. */
import type { Index } from "@k3ts/client";
import type { KubernetesObject, OwnerReference, ResourceRef } from "@k3ts/model/objects";
import type { SharedInformers } from "../../sdk/mod.ts";

export interface Node {
  object: KubernetesObject;
  resource: ResourceRef;
}

interface Member {
  resource: ResourceRef;
  byUid: Index<KubernetesObject>;
  byOwner: Index<KubernetesObject>;
}

export class Graph {
  #members = new Map<string, Member>();

  constructor(private readonly informers: SharedInformers, private readonly onChange: (uids: string[]) => void) {}

  /** @returns when the objects of the resource are known */
  async add(resource: ResourceRef): Promise<void> {
    const key = `${resource.group}/${resource.resource}`;
    if (this.#members.has(key)) return;
    const { informer } = this.informers.metadataOf(resource);
    this.#members.set(key, {
      resource,
      byUid: informer.index(({ metadata }) => [metadata.uid]),
      byOwner: informer.index(({ metadata }) => (metadata.ownerReferences ?? []).map(({ uid }) => uid)),
    });
    informer.onChange((type, object, old) => this.onChange(this.#touched(type === "deleted", object, old)));
    await informer.synced;
  }

  get(uid: string): Node | undefined {
    for (const { resource, byUid } of this.#members.values()) {
      const [object] = byUid.get(uid);
      if (object !== undefined) return { object, resource };
    }
    return undefined;
  }

  dependents(uid: string): Node[] {
    return [...this.#members.values()].flatMap(({ resource, byOwner }) =>
      byOwner.get(uid).map((object) => ({ object, resource }))
    );
  }

  /** The resource that an owner reference means, whatever version it names. */
  resourceOf({ apiVersion, kind }: OwnerReference): ResourceRef | undefined {
    const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
    for (const { resource } of this.#members.values()) {
      if (resource.group === group && resource.kind === kind) return resource;
    }
    return undefined;
  }

  /** Whose fate a change may decide: the object itself, its owners that wait for it, its dependents when it leaves. */
  #touched(deleted: boolean, { metadata }: KubernetesObject, old: KubernetesObject | undefined): string[] {
    const owners = [...metadata.ownerReferences ?? [], ...old?.metadata.ownerReferences ?? []].map(({ uid }) => uid);
    const leaves = deleted || metadata.deletionTimestamp !== undefined;
    return [
      metadata.uid,
      ...owners,
      ...(leaves ? this.dependents(metadata.uid).map(({ object }) => object.metadata.uid) : []),
    ];
  }
}
