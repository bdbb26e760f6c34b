/**
 * Events about objects (core/v1 Event), as `kubectl describe` shows them. The same thing told again counts up
 * the event that exists; many that differ in their message alone become one; and nobody floods the store.
 * Limits as in client-go (tools/record, events_cache.go).
 */
import { isNotFound, type ResourceClients } from "@k3ts/client";
import {
  type Clock,
  type Event,
  formatTime,
  type KubernetesObject,
  type MonotonicTime,
  type ResourceRef,
  resources,
} from "@k3ts/model/objects";
import { isNamespaceGoing } from "./failures.ts";

export interface EventRecord {
  about: KubernetesObject;
  /** Names kind and version where the object itself does not. */
  resource?: ResourceRef;
  type: "Normal" | "Warning";
  reason: string;
  message: string;
}

export interface EventRecorder {
  /** Returns at once and never throws: an event that cannot be written is reported and forgotten. */
  record(record: EventRecord): void;
}

export interface EventRecorderOptions {
  clients: ResourceClients;
  /** Who reports. */
  component: string;
  clock: Clock;
  onError: (error: Error) => void;
  signal: AbortSignal;
}

/** Events that wait to be written; further ones are dropped. */
const WAITING_MAX = 1_000;
/** Events written at the same time. */
const BATCH_MAX = 16;
/** Things that are remembered, of each kind. The oldest is forgotten first. */
const REMEMBERED_MAX = 1_000;
const MESSAGE_LENGTH_MAX = 1_024;
/** Of an object's name in that of an event: leaves room for what makes it unique. */
const NAME_LENGTH_MAX = 230;
/** Different messages about the same thing in ten minutes; beyond, they are told as one. */
const SIMILAR_MAX = 10;
const SIMILAR_MS = 600_000;
/** Events about one object: so many at once, then one every five minutes. */
const BURST = 25;
const REFILL_MS = 300_000;

interface Told {
  record: EventRecord;
  key: string;
  times: number;
}

export function eventRecorder(options: EventRecorderOptions): EventRecorder {
  const writer = new EventWriter(options);
  const limits = new EventLimits(options.clock.monotonic);
  const waiting = new Map<string, Told>();
  let writing = false;

  async function drain(): Promise<void> {
    writing = true;
    try {
      while (waiting.size > 0 && !options.signal.aborted) {
        const batch = [...waiting.values()].slice(0, BATCH_MAX);
        for (const { key } of batch) waiting.delete(key);
        await Promise.all(batch.map((told) => writer.write(told)));
      }
    } finally {
      writing = false;
    }
  }

  return {
    record(original) {
      const record = limits.admit(original);
      if (record === undefined || options.signal.aborted) return;
      const key = JSON.stringify([record.about.metadata.uid, record.type, record.reason, record.message]);
      const known = waiting.get(key);
      if (known !== undefined) known.times++;
      else if (waiting.size < WAITING_MAX) waiting.set(key, { record, key, times: 1 });
      if (!writing) drain().catch(options.onError);
    },
  };
}

/** Who may be heard, and how. */
class EventLimits {
  #similar = new Map<string, { messages: Set<string>; since: MonotonicTime }>();
  #tokens = new Map<string, { left: number; at: MonotonicTime }>();

  constructor(readonly now: () => MonotonicTime) {}

  /** @returns the event as it is to be told; undefined when its object has been told of enough */
  admit(record: EventRecord): EventRecord | undefined {
    const told = this.#combine(record);
    return this.#spend(record.about.metadata.uid) ? told : undefined;
  }

  #combine(record: EventRecord): EventRecord {
    const key = JSON.stringify([record.about.metadata.uid, record.type, record.reason]);
    const now = this.now();
    let group = this.#similar.get(key);
    if (group === undefined || now - group.since > SIMILAR_MS) {
      group = { messages: new Set(), since: now };
      remember(this.#similar, key, group);
    }
    if (group.messages.size < SIMILAR_MAX) group.messages.add(record.message);
    if (group.messages.has(record.message)) return record;
    return { ...record, message: `(combined from similar events)` };
  }

  #spend(uid: string): boolean {
    const now = this.now();
    const bucket = this.#tokens.get(uid) ?? { left: BURST, at: now };
    const left = Math.min(BURST, bucket.left + (now - bucket.at) / REFILL_MS);
    remember(this.#tokens, uid, { left: left >= 1 ? left - 1 : left, at: now });
    return left >= 1;
  }
}

class EventWriter {
  #written = new Map<string, { name: string; namespace: string; count: number }>();

  constructor(readonly options: EventRecorderOptions) {}

  async write(told: Told): Promise<void> {
    const { onError, signal } = this.options;
    try {
      if (!await this.#countUp(told)) await this.#create(told);
    } catch (error) {
      if (!signal.aborted && !isNamespaceGoing(error)) onError(error as Error);
    }
  }

  async #countUp({ key, times }: Told): Promise<boolean> {
    const known = this.#written.get(key);
    if (known === undefined) return false;
    known.count += times;
    const { name, namespace, count } = known;
    const { clients, signal } = this.options;
    try {
      const patch = { count, lastTimestamp: this.#time() };
      await clients.of(resources.events).patch(name, { namespace, type: "merge", patch, signal });
      return true;
    } catch (error) {
      if (!isNotFound(error)) throw error;
      this.#written.delete(key);
      return false;
    }
  }

  async #create({ record, key, times }: Told): Promise<void> {
    const { clients, component, signal } = this.options;
    const { name: about, namespace = "default" } = record.about.metadata;
    const name = `${about.slice(0, NAME_LENGTH_MAX)}.${crypto.randomUUID().replaceAll("-", "").slice(0, 16)}`;
    const time = this.#time();
    await clients.of<Event>(resources.events).create({
      apiVersion: "v1",
      kind: "Event",
      metadata: { name, namespace },
      involvedObject: referenceTo(record.about, record.resource),
      type: record.type,
      reason: record.reason,
      message: record.message.slice(0, MESSAGE_LENGTH_MAX),
      source: { component },
      reportingComponent: component,
      reportingInstance: "",
      firstTimestamp: time,
      lastTimestamp: time,
      count: times,
    }, { signal });
    remember(this.#written, key, { name, namespace, count: times });
  }

  #time(): string {
    return formatTime(this.options.clock.wall());
  }
}

/** Puts an entry last, and drops the first of too many. */
function remember<V>(entries: Map<string, V>, key: string, value: V): void {
  entries.delete(key);
  entries.set(key, value);
  if (entries.size > REMEMBERED_MAX) entries.delete(entries.keys().next().value!);
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
