/**
 * Events about objects (core/v1 Event), as `kubectl describe` shows them. The same thing told again counts up
 * the event that exists instead of adding another.
 */
import { isNotFound, type ResourceClients } from "@k3ts/client";
import { type Event, type KubernetesObject, type ResourceRef, resources } from "@k3ts/model";

export interface EventRecord {
  about: KubernetesObject;
  /** Names kind and version where the object itself does not. */
  resource?: ResourceRef;
  type: "Normal" | "Warning";
  reason: string;
  message: string;
}

export interface EventRecorder {
  /** Never throws: an event that cannot be written is reported and forgotten. */
  record(record: EventRecord): Promise<void>;
}

/** Events that are remembered for counting up. The oldest is forgotten first. */
const REMEMBERED_MAX = 1_000;
const MESSAGE_LENGTH_MAX = 1_024;

export function eventRecorder(
  { clients, component, now, onError }: {
    clients: ResourceClients;
    /** Who reports. */
    component: string;
    now: () => number;
    onError: (error: Error) => void;
  },
): EventRecorder {
  const events = clients.of<Event>(resources.events);
  const remembered = new Map<string, { name: string; namespace: string; count: number }>();

  async function write(record: EventRecord): Promise<void> {
    const involvedObject = referenceTo(record.about, record.resource);
    const namespace = record.about.metadata.namespace ?? "default";
    const key = JSON.stringify([involvedObject.uid, record.type, record.reason, record.message]);
    const known = remembered.get(key);
    const time = new Date(now()).toISOString().replace(/\.\d+Z$/, "Z");
    if (known !== undefined) {
      known.count++;
      try {
        await events.patch(known.name, {
          namespace,
          type: "merge",
          patch: { count: known.count, lastTimestamp: time },
        });
        return;
      } catch (error) {
        if (!isNotFound(error)) throw error;
        remembered.delete(key);
      }
    }
    const name = `${record.about.metadata.name}.${crypto.randomUUID().replaceAll("-", "").slice(0, 16)}`;
    remembered.set(key, { name, namespace, count: 1 });
    if (remembered.size > REMEMBERED_MAX) remembered.delete(remembered.keys().next().value!);
    await events.create({
      apiVersion: "v1",
      kind: "Event",
      metadata: { name, namespace },
      involvedObject,
      type: record.type,
      reason: record.reason,
      message: record.message.slice(0, MESSAGE_LENGTH_MAX),
      source: { component },
      reportingComponent: component,
      reportingInstance: "",
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
    });
  }

  return { record: (record) => write(record).catch((error) => onError(error)) };
}

function referenceTo({ apiVersion, kind, metadata }: KubernetesObject, resource?: ResourceRef) {
  return {
    apiVersion: apiVersion ??
      (resource === undefined || resource.group === "" ? resource?.version : `${resource.group}/${resource.version}`),
    kind: kind ?? resource?.kind,
    name: metadata.name,
    namespace: metadata.namespace,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
  };
}
