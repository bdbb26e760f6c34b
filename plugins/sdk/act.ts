/** Carries out what a planner asked for, under the controller's own identity. */
import { isNotFound, type ResourceClients } from "@k3ts/client";
import type { KubernetesObject, ObjectMeta, OwnerReference, ResourceRef } from "@k3ts/model/objects";
import type { EventRecorder } from "./events.ts";
import { ActionFailed, Outdated } from "./failures.ts";
import type { Action } from "./plan.ts";

export interface ActContext {
  /** Clients that speak as the controller. */
  clients: ResourceClients;
  recorder: EventRecorder;
  /** The planned object. */
  owner: KubernetesObject;
  ownerResource: ResourceRef;
  /** Begins with a single write, as the last plan for the object has failed. */
  careful: boolean;
  signal: AbortSignal;
}

/** What was written, to be seen before the next plan: by its revision, or, where the answer names none, by the object having changed. */
export interface Write {
  resource: ResourceRef;
  revision?: number;
  changed?: KubernetesObject;
}

/** Neighbours of one of these kinds at the same time, so that they share a commit of the store. */
const TOGETHER: readonly Action["do"][] = ["create", "patch", "delete"];
const PARALLEL_MAX = 16;

/** @throws {ActionFailed} for the first action that fails, after those that were under way with it have ended */
export async function act(
  actions: readonly Action[],
  context: ActContext,
  onWrite: (write: Write) => void,
): Promise<void> {
  let width = context.careful ? 1 : PARALLEL_MAX;
  for (let at = 0; at < actions.length;) {
    const end = endOfRun(actions, at, width);
    const results = await Promise.allSettled(actions.slice(at, end).map((action) => actOne(action, context, onWrite)));
    for (const result of results) if (result.status === "rejected") throw result.reason;
    at = end;
    width = Math.min(width * 2, PARALLEL_MAX);
  }
}

function endOfRun(actions: readonly Action[], at: number, width: number): number {
  const kind = actions[at]!.do;
  let end = at + 1;
  if (TOGETHER.includes(kind)) { while (end - at < width && actions[end]?.do === kind) end++; }
  return end;
}

async function actOne(action: Action, context: ActContext, onWrite: (write: Write) => void): Promise<void> {
  if (action.do === "event") {
    const { type, reason, message } = action;
    context.recorder.record({
      about: action.about ?? context.owner,
      resource: action.about === undefined ? context.ownerResource : undefined,
      type,
      reason,
      message,
    });
    return;
  }
  const written = await write(action, context).catch((error) => {
    throw context.signal.aborted ? error : new ActionFailed(action, error as Error);
  });
  if ("tells" in action && action.tells !== undefined) {
    const { reason, message } = action.tells;
    const name = written?.metadata.name ?? action.object.metadata.name;
    const { owner: about, ownerResource: resource } = context;
    context.recorder.record({ about, resource, type: "Normal", reason, message: `${message}${name}` });
  }
  const revision = Number(written?.metadata?.resourceVersion);
  if (revision > 0) onWrite({ resource: action.resource, revision });
  else if (action.do !== "create") onWrite({ resource: action.resource, changed: action.object as KubernetesObject });
}

async function write(
  action: Exclude<Action, { do: "event" }>,
  context: ActContext,
): Promise<KubernetesObject | undefined> {
  const { clients, owner, ownerResource, signal } = context;
  const client = clients.of<KubernetesObject>(action.resource);
  const { name, namespace, uid, resourceVersion } = action.object.metadata as Partial<ObjectMeta>;
  const mergeMetadata = (metadata: Record<string, unknown>, patch: Record<string, unknown>, subresource?: string) =>
    client.patch(name!, {
      namespace,
      type: "merge",
      patch: { ...patch, metadata: { ...metadata, uid, resourceVersion } },
      subresource,
      signal,
    });
  const references = action.object.metadata.ownerReferences ?? [];
  switch (action.do) {
    case "create":
      return await client.create(action.object, { namespace, signal });
    case "update":
      return await client.update(action.object, { subresource: action.subresource, signal });
    case "patch": {
      const changes = (action.patch["metadata"] ?? {}) as Record<string, unknown>;
      return await mergeMetadata(changes, action.patch, action.subresource);
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
    case "adopt":
      await mustLive(context);
      return await mergeMetadata({
        ownerReferences: [...references, controllerReference(owner, ownerResource)],
        ...(action.finalizer !== undefined && { finalizers: [...others(action), action.finalizer] }),
      }, {});
    case "release":
      return await mergeMetadata({
        ownerReferences: references.filter((reference) => reference.uid !== owner.metadata.uid),
        ...(action.finalizer !== undefined && { finalizers: others(action) }),
      }, {});
  }
}

/** Its finalizers without ours. */
function others({ object, finalizer }: Extract<Action, { do: "adopt" | "release" }>): string[] {
  return (object.metadata.finalizers ?? []).filter((each) => each !== finalizer);
}

/** What is adopted for an owner that is gone would be collected with it, so the owner is read afresh. */
async function mustLive({ clients, owner, ownerResource, signal }: ActContext): Promise<void> {
  const { name, namespace, uid } = owner.metadata;
  const now = await clients.of<KubernetesObject>(ownerResource).get(name, { namespace, signal });
  if (now.metadata.uid === uid && now.metadata.deletionTimestamp === undefined) return;
  throw new Outdated(`Cannot adopt for ${ownerResource.kind} "${name}" as it must live: it is gone or on its way out`);
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
