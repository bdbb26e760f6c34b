/** Tells people what happens to pods, as Events (core/v1). Best effort: what cannot be sent is only logged. */
import { isNotFound, type ResourceClient } from "@k3ts/client";
import { explain, type Log } from "@k3ts/client/telemetry";
import {
  type Clock,
  type coreV1,
  formatTime,
  momentOf,
  type MonotonicTime,
  type Pod,
  type WallTime,
} from "@k3ts/model/objects";
import { podName } from "./text.ts";

type CoreEvent = coreV1.Event;

/** What is said again within this time is counted on the same event. */
const SAME_MS = 600_000;
const REMEMBERED_MAX = 1000;
/** Events on their way; further ones are dropped. */
const SENDING_MAX = 64;
/** Of one pod: so many at once, and then one in so long (as client-go's spam filter has it). */
const BURST = 25;
const REFILL_MS = 300_000;

interface Said {
  event: CoreEvent;
  count: number;
  at: MonotonicTime;
  /** The last of what is sent for it: one after the other. */
  sent: Promise<void>;
}

export class Events {
  readonly #nodeName: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #said = new Map<string, Said>();
  /** By pod: what it may still say, and since when. */
  readonly #budgets = new Map<string, { left: number; since: MonotonicTime }>();
  #client: ResourceClient<CoreEvent> | undefined;
  #sending = 0;

  constructor(nodeName: string, clock: Clock, log: Log) {
    this.#nodeName = nodeName;
    this.#clock = clock;
    this.#log = log;
  }

  connect(client: ResourceClient<CoreEvent>): void {
    this.#client = client;
  }

  /** @param container the one that it is about, if it is about one */
  tell(pod: Pod, type: "Normal" | "Warning", reason: string, message: string, container?: string): void {
    const client = this.#client;
    const { wall, monotonic: now } = momentOf(this.#clock);
    if (client === undefined || this.#sending >= SENDING_MAX || !this.#mayTell(pod.metadata.uid, now)) return;
    const key = `${pod.metadata.uid}/${container ?? ""}/${type}/${reason}/${message}`;
    const before = this.#said.get(key);
    const same = before !== undefined && now - before.at < SAME_MS ? before : undefined;
    const event = same?.event ??
      eventOf(pod, { type, reason, message, container, nodeName: this.#nodeName, now: wall });
    const count = (same?.count ?? 0) + 1;
    this.#sending++;
    const sent = (same?.sent ?? Promise.resolve())
      .then(() => send(client, event, count, wall))
      .catch((error) => this.#log.warn("Cannot send an event", { pod: podName(pod), reason, error: explain(error) }))
      .finally(() => this.#sending--);
    this.#said.delete(key);
    this.#said.set(key, { event, count, at: now, sent });
    dropOldest(this.#said);
  }

  #mayTell(uid: string, now: MonotonicTime): boolean {
    const { left, since } = this.#budgets.get(uid) ?? { left: BURST, since: now };
    const refilled = Math.floor((now - since) / REFILL_MS);
    const budget = Math.min(BURST, left + refilled);
    this.#budgets.delete(uid);
    this.#budgets.set(uid, { left: Math.max(0, budget - 1), since: since + refilled * REFILL_MS });
    dropOldest(this.#budgets);
    return budget > 0;
  }
}

/** Maps keep the order in which things were put into them. */
function dropOldest(map: Map<string, unknown>): void {
  const oldest = map.size > REMEMBERED_MAX ? map.keys().next().value : undefined;
  if (oldest !== undefined) map.delete(oldest);
}

/** Once more is one more on the event that is there; events do not live for ever. */
async function send(client: ResourceClient<CoreEvent>, event: CoreEvent, count: number, now: WallTime): Promise<void> {
  const { name, namespace } = event.metadata;
  const lastTimestamp = formatTime(now);
  if (count > 1) {
    try {
      await client.patch(name, { namespace, type: "merge", patch: { count, lastTimestamp } });
      return;
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
  await client.create({ ...event, count, lastTimestamp }, { namespace });
}

interface What {
  type: string;
  reason: string;
  message: string;
  container: string | undefined;
  nodeName: string;
  now: WallTime;
}

function eventOf(pod: Pod, { type, reason, message, container, nodeName, now }: What): CoreEvent {
  const at = formatTime(now);
  const { name, namespace = "default", uid, resourceVersion } = pod.metadata;
  // As client-go names them: the object's name and the time in nanoseconds, hexadecimal.
  const suffix = (BigInt(now) * 1_000_000n + BigInt(Math.floor(Math.random() * 1_000_000))).toString(16);
  const isInit = pod.spec?.initContainers?.some((one) => one.name === container) ?? false;
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
      ...(container !== undefined && { fieldPath: `spec.${isInit ? "initContainers" : "containers"}{${container}}` }),
    },
    type,
    reason,
    message: message.length > MESSAGE_MAX ? `${message.slice(0, MESSAGE_MAX - 3)}...` : message,
    source: { component: "kubelet", host: nodeName },
    reportingComponent: "kubelet",
    reportingInstance: nodeName,
    firstTimestamp: at,
    lastTimestamp: at,
    count: 1,
  };
}

/** As the API takes them. */
const MESSAGE_MAX = 1024;
