/**
 * Statuses on their way to the server. Of each pod only the newest waits: an older one is of no use to anybody.
 *
 * Kept in memory: a restarted agent computes every status anew from what it finds, and records of a pod's containers
 * stay on disk until the server has taken the last one. Bounded by the pods of this node.
 */
import { backoffMs, isNotFound, Pause, type ResourceClient, retryOnConflict } from "@k3ts/client";
import { currentTrace, type Log, withinTrace } from "@k3ts/client/telemetry";
import { equalJson, type Pod, type PodStatus } from "@k3ts/model/objects";
import { podName } from "../pods/text.ts";

/** Statuses that are sent at the same time. */
const SENDERS = 4;
/**
 * How long the server is not told that a pod is on its way up. Most pods run by then, and one status says as much as
 * three (the kubelet looks once a second, and says as little).
 */
const PENDING_MS = 200;

interface Letter {
  pod: Pod;
  status: PodStatus;
  failures: number;
  /** Not to be sent before, as `performance.now()` counts it. */
  heldUntil: number;
  /** Of which trace it is a part. */
  trace: string;
}

export class StatusOutbox {
  readonly #waiting = new Map<string, Letter>();
  readonly #sending = new Map<string, Promise<void>>();
  /** When a send began that has not ended, as `performance.now()` counts it. */
  readonly #since = new Map<string, number>();
  readonly #log: Log;
  readonly #pause = new Pause();
  /** Of those that are held back the first that is due. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #client: ResourceClient<Pod> | undefined;
  #signal: AbortSignal | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  /** From now on the server can be told. */
  connect(client: ResourceClient<Pod>, signal: AbortSignal): void {
    this.#client = client;
    this.#signal = signal;
    this.#pump();
  }

  /** @param pod as the server last showed it: what it says already is not said again */
  put(pod: Pod, status: PodStatus): void {
    const { uid } = pod.metadata;
    const before = this.#waiting.get(uid);
    const idle = before === undefined && !this.#sending.has(uid);
    if (idle && equalJson(pod.status, status)) return;
    const isOnItsWay = status.phase === "Pending" && pod.metadata.deletionTimestamp === undefined;
    // From the first of them on: whatever follows, the server is told in time.
    const heldUntil = isOnItsWay ? before?.heldUntil ?? performance.now() + PENDING_MS : 0;
    this.#waiting.set(uid, { pod, status, failures: 0, heldUntil, trace: currentTrace() });
    this.#pump();
  }

  /** How many the server was not told yet, and for how long one has been on its way: more than a call takes is too long. */
  get waiting(): { count: number; msMax: number } {
    const oldest = Math.min(...this.#since.values());
    return {
      count: this.#waiting.size + this.#sending.size,
      msMax: this.#since.size === 0 ? 0 : performance.now() - oldest,
    };
  }

  /** Sends at once what waits to be sent again: the server answers. */
  retryNow(): void {
    this.#pause.end();
  }

  /** Nobody asks any more. */
  drop(uid: string): void {
    this.#waiting.delete(uid);
  }

  /** Sends a status and resolves when the server has taken it, or no longer has the pod. */
  async send(pod: Pod, status: PodStatus): Promise<void> {
    const { uid } = pod.metadata;
    this.#waiting.delete(uid);
    await this.#sending.get(uid)?.catch(() => {});
    if (this.#client === undefined) throw new Error("Cannot send a status as the server must be known: not joined yet");
    await write(this.#client, pod, status);
  }

  #pump(): void {
    const client = this.#client;
    if (client === undefined || this.#signal?.aborted !== false) return;
    const now = performance.now();
    for (const [uid, letter] of this.#waiting) {
      if (this.#sending.size >= SENDERS) return;
      if (this.#sending.has(uid)) continue;
      if (letter.heldUntil > now) {
        this.#wakeIn(letter.heldUntil - now);
        continue;
      }
      this.#waiting.delete(uid);
      const sending = this.#deliver(client, uid, letter, this.#signal).finally(() => {
        this.#sending.delete(uid);
        this.#pump();
      });
      this.#sending.set(uid, sending);
    }
  }

  /** Maps keep the order of what was put into them: the first that waits is due first, or nearly so. */
  #wakeIn(ms: number): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#pump();
    }, ms);
    // An agent that ends computes every status anew when it begins.
    Deno.unrefTimer(this.#timer);
  }

  async #deliver(client: ResourceClient<Pod>, uid: string, letter: Letter, signal: AbortSignal): Promise<void> {
    this.#since.set(uid, performance.now());
    try {
      await withinTrace(letter.trace, () => write(client, letter.pod, letter.status)).finally(() =>
        this.#since.delete(uid)
      );
    } catch (error) {
      if (signal.aborted) return;
      const failures = letter.failures + 1;
      this.#log.error("Cannot send the status of a pod", error, { pod: podName(letter.pod) });
      await this.#pause.wait(backoffMs(failures), signal);
      if (!this.#waiting.has(uid)) this.#waiting.set(uid, { ...letter, failures, heldUntil: 0 });
    }
  }
}

/** Nothing is written to a pod that has the same name only, nor when nothing would change. */
async function write(client: ResourceClient<Pod>, pod: Pod, status: PodStatus): Promise<void> {
  const { name, namespace, uid } = pod.metadata;
  let current: Pod | undefined = pod;
  try {
    await retryOnConflict(async () => {
      current ??= await client.get(name, { namespace });
      const target = current;
      current = undefined;
      if (target.metadata.uid !== uid || equalJson(target.status, status)) return;
      await client.updateStatus({ ...target, status: keepForeignConditions(target.status, status) });
    });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** Conditions that others have written meanwhile stay. */
function keepForeignConditions(current: PodStatus | undefined, ours: PodStatus): PodStatus {
  const known = new Set(ours.conditions?.map((one) => one.type));
  const foreign = (current?.conditions ?? []).filter((one) => !known.has(one.type));
  return foreign.length === 0 ? ours : { ...ours, conditions: [...(ours.conditions ?? []), ...foreign] };
}
