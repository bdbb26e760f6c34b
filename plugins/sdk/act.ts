/** Carries out what a planner asked for, under the controller's own identity. */
import { isAlreadyExists, isNotFound, type ResourceClients } from "@k3ts/client";
import type { KubernetesObject, ObjectMeta, OwnerReference, ResourceRef } from "@k3ts/model";
import type { EventRecorder } from "./events.ts";
import type { Action } from "./plan.ts";

export interface ActContext {
  /** Clients that speak as the controller. */
  clients: ResourceClients;
  recorder: EventRecorder;
  /** The planned object. */
  owner: KubernetesObject;
  ownerResource: ResourceRef;
  signal: AbortSignal;
}

/** What was written, to be seen before the next plan: by its revision, or, where the answer names none, by the object having changed. */
export interface Write {
  resource: ResourceRef;
  revision?: number;
  changed?: KubernetesObject;
}

/** Creates at the same time, so that they share a commit of the store. */
const PARALLEL_MAX = 16;

export async function act(
  actions: readonly Action[],
  context: ActContext,
  onWrite: (write: Write) => void,
): Promise<void> {
  for (let at = 0; at < actions.length;) {
    let end = at + 1;
    if (actions[at]!.do === "create") { while (end - at < PARALLEL_MAX && actions[end]?.do === "create") end++; }
    const results = await Promise.allSettled(actions.slice(at, end).map((action) => actOne(action, context, onWrite)));
    for (const result of results) if (result.status === "rejected") throw result.reason;
    at = end;
  }
}

async function actOne(action: Action, context: ActContext, onWrite: (write: Write) => void): Promise<void> {
  if (action.do === "event") {
    const { type, reason, message } = action;
    return context.recorder.record({
      about: action.about ?? context.owner,
      resource: action.about === undefined ? context.ownerResource : undefined,
      type,
      reason,
      message,
    });
  }
  const written = await write(action, context);
  const revision = Number(written?.metadata?.resourceVersion);
  if (revision > 0) onWrite({ resource: action.resource, revision });
  else if (action.do !== "create") onWrite({ resource: action.resource, changed: action.object as KubernetesObject });
}

async function write(
  action: Exclude<Action, { do: "event" }>,
  { clients, owner, ownerResource, signal }: ActContext,
): Promise<KubernetesObject | undefined> {
  const client = clients.of<KubernetesObject>(action.resource);
  const { name, namespace, uid, resourceVersion } = action.object.metadata as Partial<ObjectMeta>;
  const metadata = { uid, resourceVersion };
  switch (action.do) {
    case "create":
      return await client.create(action.object, { namespace, signal }).catch((error) => {
        if (isAlreadyExists(error)) return undefined;
        throw error;
      });
    case "update":
      return await client.update(action.object, { subresource: action.subresource, signal });
    case "patch": {
      const changes = action.patch["metadata"] as Record<string, unknown> | undefined;
      const patch = { ...action.patch, metadata: { ...changes, ...metadata } };
      return await client.patch(name!, { namespace, type: "merge", patch, subresource: action.subresource, signal });
    }
    case "delete":
      return await client.delete(name!, {
        namespace,
        propagationPolicy: action.propagation,
        preconditions: { uid },
        signal,
      }).catch((error) => {
        if (isNotFound(error)) return undefined;
        throw error;
      });
    case "post":
      await client.createSubresource(name!, {
        namespace,
        subresource: action.subresource,
        object: action.body,
        signal,
      });
      return undefined;
    case "adopt": {
      const ownerReferences = [
        ...(action.object.metadata.ownerReferences ?? []),
        controllerReference(owner, ownerResource),
      ];
      return await client.patch(name!, {
        namespace,
        type: "merge",
        patch: { metadata: { ...metadata, ownerReferences } },
        signal,
      });
    }
    case "release": {
      const rest = (action.object.metadata.ownerReferences ?? []).filter((reference) =>
        reference.uid !== owner.metadata.uid
      );
      return await client.patch(name!, {
        namespace,
        type: "merge",
        patch: { metadata: { ...metadata, ownerReferences: rest } },
        signal,
      });
    }
  }
}

/** The reference by which an object names its controller (metadata.ownerReferences). */
export function controllerReference(
  owner: KubernetesObject,
  resource: Pick<ResourceRef, "group" | "version" | "kind">,
): OwnerReference {
  return {
    apiVersion: resource.group === "" ? resource.version : `${resource.group}/${resource.version}`,
    kind: resource.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}
