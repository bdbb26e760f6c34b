/** Tells people what happens to pods, as Events (core/v1). Best effort: what cannot be sent is only logged. */
import type { ResourceClient } from "@k3ts/client";
import { type coreV1, formatTime, type Pod } from "@k3ts/model/objects";
import { explain, type Log } from "../log.ts";

type CoreEvent = coreV1.Event;

/** The same thing is said again only after so long. */
const QUIET_MS = 300_000;
const REMEMBERED_MAX = 1000;
/** Events on their way; further ones are dropped. */
const SENDING_MAX = 64;

export class Events {
  readonly #nodeName: string;
  readonly #now: () => number;
  readonly #log: Log;
  readonly #said = new Map<string, number>();
  #client: ResourceClient<CoreEvent> | undefined;
  #sending = 0;

  constructor(nodeName: string, now: () => number, log: Log) {
    this.#nodeName = nodeName;
    this.#now = now;
    this.#log = log;
  }

  connect(client: ResourceClient<CoreEvent>): void {
    this.#client = client;
  }

  /** @param container the one that it is about, if it is about one */
  tell(pod: Pod, type: "Normal" | "Warning", reason: string, message: string, container?: string): void {
    const now = this.#now();
    const key = `${pod.metadata.uid}/${container ?? ""}/${reason}/${message}`;
    if (type === "Warning" && (this.#said.get(key) ?? -Infinity) > now - QUIET_MS) return;
    this.#said.delete(key);
    this.#said.set(key, now);
    const oldest = this.#said.size > REMEMBERED_MAX ? this.#said.keys().next().value : undefined;
    if (oldest !== undefined) this.#said.delete(oldest);
    this.#send(eventOf(pod, { type, reason, message, container, nodeName: this.#nodeName, now }));
  }

  #send(event: CoreEvent): void {
    const client = this.#client;
    if (client === undefined || this.#sending >= SENDING_MAX) return;
    this.#sending++;
    client.create(event, { namespace: event.metadata.namespace })
      .catch((error) => this.#log.warn(`Cannot send event ${event.reason}: ${explain(error)}`))
      .finally(() => this.#sending--);
  }
}

interface What {
  type: string;
  reason: string;
  message: string;
  container: string | undefined;
  nodeName: string;
  now: number;
}

function eventOf(pod: Pod, { type, reason, message, container, nodeName, now }: What): CoreEvent {
  const at = formatTime(now);
  const { name, namespace = "default", uid, resourceVersion } = pod.metadata;
  // As client-go names them: the object's name and the time in nanoseconds, hexadecimal.
  const suffix = (BigInt(now) * 1_000_000n + BigInt(Math.floor(Math.random() * 1_000_000))).toString(16);
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: `${name}.${suffix}`, namespace } as CoreEvent["metadata"],
    involvedObject: {
      apiVersion: "v1",
      kind: "Pod",
      name,
      namespace,
      uid,
      resourceVersion,
      ...(container !== undefined && { fieldPath: `spec.containers{${container}}` }),
    },
    type,
    reason,
    message: message.slice(0, 1024),
    source: { component: "kubelet", host: nodeName },
    reportingComponent: "kubelet",
    reportingInstance: nodeName,
    firstTimestamp: at,
    lastTimestamp: at,
    count: 1,
  };
}
