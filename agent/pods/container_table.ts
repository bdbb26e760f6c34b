/**
 * Every container of this node: the records on disk joined with what the runtime says. What a restarted agent asks
 * first, and what workers look at.
 */
import { createHash } from "node:crypto";
import type { Client } from "@connectrpc/connect";
import { delay } from "@k3ts/client";
import type { Log } from "@k3ts/client/telemetry";
import { type Clock, momentOf, monotonicOf, type MonotonicTime, type WallTime } from "@k3ts/model/objects";
import { type ContainerState, ContainerStatus, type RuntimeService } from "@k3ts/proto";
import { type Files, type FileStep, makeDirectory, removeTree, unmountBelow, writeWhole } from "../file_steps.ts";
import { namesIn, readJsonIfWhole } from "../files.ts";
import type { ContainerExit, ContainerRecord, ObservedContainer } from "./observed.ts";

/** `record.json` in a container's directory. */
interface StoredRecord extends ContainerRecord {
  version: 1;
  stoppingSince?: WallTime;
  askedAt?: WallTime;
  /** Set when the runtime has been told to forget it; the rest is what the runtime last said. */
  retired?: { startedAt?: WallTime; exit: ContainerExit };
}

interface Entry {
  stored: StoredRecord;
  /** The runtime is about to make it, and may not know it yet. */
  making?: boolean;
  /** The runtime was asked: of what changes from then on it tells. */
  isKnown?: boolean;
  isRunning?: boolean;
  /** As this process counts; what is stored of these is by the clock on the wall. */
  stoppingSince?: MonotonicTime;
  askedAt?: MonotonicTime;
  endedAt?: MonotonicTime;
  killedAt?: MonotonicTime;
  hookRuns?: boolean;
  postStart?: "running" | "failed";
  startedAt?: WallTime;
  exit?: ContainerExit;
}

export type TableRuntime = Pick<Client<typeof RuntimeService>, "listContainers" | "deleteContainer">;

/** Where the shim's exit code is not known: as if killed. */
const EXIT_UNKNOWN = 137;
/** It was never made: the agent ended in between. */
const EXIT_NEVER_MADE = 128;
const LOST_RETRY_MS = 10_000;

/** Reads the last words of a container that has ended. */
export type ReadMessage = (record: ContainerRecord, code: number) => Promise<string | undefined>;

export class ContainerTable {
  readonly #directory: string;
  readonly #runtime: TableRuntime;
  readonly #files: Files;
  readonly #readMessage: ReadMessage;
  readonly #clock: Clock;
  readonly #log: Log;
  /** Directories of which no record tells, until they are gone. */
  readonly #lost = new Set<string>();
  readonly #entries = new Map<string, Entry>();

  constructor(
    directory: string,
    runtime: TableRuntime,
    files: Files,
    readMessage: ReadMessage,
    clock: Clock,
    log: Log,
  ) {
    this.#directory = directory;
    this.#runtime = runtime;
    this.#files = files;
    this.#readMessage = readMessage;
    this.#clock = clock;
    this.#log = log;
  }

  /** Named shortly, by a hash of the id: sockets lie in it, and their paths have at most 107 bytes. */
  directoryOf(id: string): string {
    return `${this.#directory}/${createHash("sha256").update(id).digest("hex").slice(0, 16)}`;
  }

  /** Reads the records. What has none that is whole, as after a loss of power, is ended: nobody could look after it. */
  async open(): Promise<void> {
    await Deno.mkdir(this.#directory, { recursive: true, mode: 0o700 });
    for (const name of await namesIn(this.#directory)) {
      const directory = `${this.#directory}/${name}`;
      const path = `${directory}/record.json`;
      const stored = await readJsonIfWhole<StoredRecord>(
        path,
        (error) => this.#log.error("What is known of a container is lost", error),
      );
      if (stored === undefined) {
        this.#lost.add(directory);
        continue;
      }
      if (stored.version !== 1) {
        throw new Error(`Cannot read "${path}" as its version must be 1: it is ${stored.version}`);
      }
      this.#entries.set(stored.id, this.#found(stored));
    }
    const { containers } = await this.#runtime.listContainers({});
    for (const { id } of containers) if (!this.#entries.has(id)) this.#lost.add(this.directoryOf(id));
    await this.#removeLost();
    await this.refresh();
  }

  /** Until nothing is left of what no record tells of, or the signal fires. */
  async endLost(signal: AbortSignal): Promise<void> {
    while (this.#lost.size > 0 && !signal.aborted) {
      await delay(LOST_RETRY_MS, signal).catch(() => {}); // the end
      if (!signal.aborted) await this.#removeLost();
    }
  }

  async #removeLost(): Promise<void> {
    if (this.#lost.size === 0) return;
    try {
      const { containers } = await this.#runtime.listContainers({});
      const ids = new Map(containers.map(({ id }) => [this.directoryOf(id), id]));
      for (const directory of [...this.#lost]) await this.#removeOneLost(directory, ids.get(directory));
    } catch (error) {
      this.#log.error("Cannot find containers of which no record tells", error);
    }
  }

  /** @param id of its container, if the runtime knows one */
  async #removeOneLost(directory: string, id: string | undefined): Promise<void> {
    try {
      if (id !== undefined) await this.#runtime.deleteContainer({ id });
      await this.#files.changeFiles({ steps: [unmountBelow(directory), removeTree(directory)] });
      this.#lost.delete(directory);
      this.#log.warn("Ended what no record tells of", { directory, ...(id !== undefined && { container: id }) });
    } catch (error) {
      this.#log.error("Cannot end a container of which no record tells", error, { directory });
    }
  }

  #found(stored: StoredRecord): Entry {
    const { stoppingSince, askedAt, retired } = stored;
    const now = momentOf(this.#clock);
    return {
      stored,
      ...(stoppingSince !== undefined && { stoppingSince: monotonicOf(stoppingSince, now) }),
      ...(askedAt !== undefined && { askedAt: monotonicOf(askedAt, now) }),
      ...(retired !== undefined && { endedAt: monotonicOf(retired.exit.finishedAt, now) }),
    };
  }

  /**
   * Asks the runtime about the containers of a pod that it was not asked about yet, or about all. Of those that have
   * ended nothing new is to be learnt.
   */
  async refresh(podUid?: string): Promise<void> {
    // The answer says nothing of what is made while it is on its way.
    const asked = [...this.#entries].filter(([, { stored, making, isKnown, exit }]) =>
      (podUid === undefined || (stored.podUid === podUid && isKnown !== true)) && making !== true &&
      exit === undefined && stored.retired === undefined
    );
    if (asked.length === 0) return;
    const { containers } = await this.#runtime.listContainers({ ids: asked.map(([id]) => id) });
    const states = new Map(containers.map((one) => [one.id, one]));
    for (const [id, entry] of asked) {
      entry.isKnown = true;
      await this.#learn(entry, states.get(id));
    }
  }

  /** What the runtime tells by itself. @returns the pods that it is about */
  async tell(states: readonly ContainerState[]): Promise<Set<string>> {
    const pods = new Set<string>();
    for (const state of states) {
      const entry = this.#entries.get(state.id);
      if (entry === undefined || entry.stored.retired !== undefined) continue;
      // Whoever makes it is told by the answer.
      if (entry.making === true && state.status === ContainerStatus.LOST) continue;
      await this.#learn(entry, state);
      pods.add(entry.stored.podUid);
    }
    return pods;
  }

  /** What comes may be older than what is known: nothing that has begun is waiting again, nor runs when it has ended. */
  async #learn(entry: Entry, state: ContainerState | undefined): Promise<void> {
    if (entry.exit !== undefined) return;
    if (state?.status === ContainerStatus.RUNNING) entry.isRunning = true;
    const exit = exitOf(state, entry.stored);
    entry.startedAt = timeOf(state?.startedAt) ?? entry.startedAt;
    if (exit === undefined) return;
    const message = await this.#readMessage(entry.stored, exit.code);
    entry.exit ??= { ...exit, ...(message !== undefined && message !== "" && { message }) };
    entry.endedAt = monotonicOf(exit.finishedAt, momentOf(this.#clock));
  }

  /** Pods that have a container, a record or a directory here. */
  podUids(): Set<string> {
    return new Set([...this.#entries.values()].map((one) => one.stored.podUid));
  }

  podOf(id: string): string | undefined {
    return this.#entries.get(id)?.stored.podUid;
  }

  of(podUid: string): ObservedContainer[] {
    return [...this.#entries.values()].filter((one) => one.stored.podUid === podUid).map((one) => this.#observe(one));
  }

  all(): ObservedContainer[] {
    return [...this.#entries.values()].map((one) => this.#observe(one));
  }

  #observe(entry: Entry): ObservedContainer {
    const { version: _, retired, stoppingSince: _stoppingSince, askedAt: _askedAt, ...record } = entry.stored;
    const common = {
      ...record,
      ...(entry.stoppingSince !== undefined && { stoppingSince: entry.stoppingSince }),
      ...(entry.askedAt !== undefined && { askedAt: entry.askedAt }),
      ...(entry.endedAt !== undefined && { endedAt: entry.endedAt }),
      ...(entry.killedAt !== undefined && { killedAt: entry.killedAt }),
      ...(entry.hookRuns !== undefined && { hookRuns: entry.hookRuns }),
      ...(entry.postStart !== undefined && { postStart: entry.postStart }),
    };
    if (retired !== undefined) return { ...common, state: "retired", ...retired };
    const started = entry.startedAt === undefined ? {} : { startedAt: entry.startedAt };
    if (entry.exit !== undefined) return { ...common, state: "exited", ...started, exit: entry.exit };
    return { ...common, state: entry.isRunning === true ? "running" : "created", ...started };
  }

  /** Before anything of it is made, so that nothing is made that nobody knows of. */
  async add(record: ContainerRecord, then: readonly FileStep[] = []): Promise<void> {
    const stored: StoredRecord = { version: 1, ...record };
    const path = this.directoryOf(record.id);
    if (this.#lost.has(path)) {
      throw new Error(`Cannot make container "${record.id}" as nothing must be left in ${path}: the one before is`);
    }
    const directory = makeDirectory(path, 0o700);
    await this.#files.changeFiles({ steps: [directory, this.#write(stored), ...then] });
    this.#entries.set(record.id, { stored, making: true });
  }

  /** The runtime knows it now. */
  markMade(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.making = false;
    entry.isKnown = true;
  }

  /** @param at RFC 3339 */
  markStarted(id: string, at: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.isRunning = true;
    entry.startedAt = timeOf(at) ?? entry.startedAt;
  }

  /** Its grace begins, unless it has begun before. */
  markStopping(id: string): Promise<void> {
    return this.#markOnce(id, "stoppingSince");
  }

  markAsked(id: string): Promise<void> {
    return this.#markOnce(id, "askedAt");
  }

  async #markOnce(id: string, what: "stoppingSince" | "askedAt"): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry[what] !== undefined) return;
    const { wall, monotonic } = momentOf(this.#clock);
    entry[what] = monotonic;
    entry.stored = { ...entry.stored, [what]: wall };
    await this.#files.changeFiles({ steps: [this.#write(entry.stored)] });
  }

  /** Who it runs as. Written with the next change: until then the server knows it. */
  markUser(id: string, user: NonNullable<ContainerRecord["user"]>): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.stored = { ...entry.stored, user };
  }

  /** Its preStop hook has begun or ended. Not kept: an agent that starts anew runs it again, as the kubelet does. */
  markHook(id: string, runs: boolean): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.hookRuns = runs;
  }

  /** What its postStart hook does; undefined when that went well. */
  markPostStart(id: string, state: "running" | "failed" | undefined): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    if (state === undefined) delete entry.postStart;
    else entry.postStart = state;
  }

  markKilled(id: string): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.killedAt = this.#clock.monotonic();
  }

  /** Keeps what was known of it when the runtime forgets it. @param first what gives back all that it held */
  async markRetired(id: string, first: readonly FileStep[] = []): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry?.exit === undefined) return void await this.#files.changeFiles({ steps: [...first] });
    const started = entry.startedAt === undefined ? {} : { startedAt: entry.startedAt };
    const stored = { ...entry.stored, retired: { ...started, exit: entry.exit } };
    await this.#files.changeFiles({ steps: [...first, this.#write(stored)] });
    entry.stored = stored;
  }

  /** @param first what gives back all that it held */
  async remove(id: string, first: readonly FileStep[] = []): Promise<void> {
    await this.#files.changeFiles({ steps: [...first, removeTree(this.directoryOf(id))] });
    this.#entries.delete(id);
  }

  #write(stored: StoredRecord): FileStep {
    return writeWhole(`${this.directoryOf(stored.id)}/record.json`, JSON.stringify(stored), { sync: false });
  }
}

function exitOf(state: ContainerState | undefined, record: ContainerRecord): ContainerExit | undefined {
  if (state?.status === ContainerStatus.CREATED || state?.status === ContainerStatus.RUNNING) return undefined;
  if (state?.status === ContainerStatus.EXITED) {
    return {
      code: state.exitCode,
      signal: state.signal,
      oomKilled: state.oomKilled,
      finishedAt: timeOf(state.finishedAt) ?? record.createdAt,
    };
  }
  const code = state === undefined ? EXIT_NEVER_MADE : EXIT_UNKNOWN;
  const finishedAt = timeOf(state?.finishedAt) ?? timeOf(state?.startedAt) ?? record.createdAt;
  return { code, signal: 0, oomKilled: false, finishedAt, isUnknown: state !== undefined };
}

function timeOf(text: string | undefined): WallTime | undefined {
  const time = text === undefined || text === "" ? NaN : Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}
