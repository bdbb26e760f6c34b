/**
 * Every container of this node: the records on disk joined with what the runtime says. What a restarted agent asks
 * first, and what workers look at.
 */
import { createHash } from "node:crypto";
import type { Client } from "@connectrpc/connect";
import { type ContainerState, ContainerStatus, type RuntimeService } from "@k3ts/proto";
import { namesIn, readJsonIfThere, removeIfThere, writeAtomically } from "../files.ts";
import type { ContainerExit, ContainerRecord, ObservedContainer } from "./observed.ts";

/** `record.json` in a container's directory. */
interface StoredRecord extends ContainerRecord {
  version: 1;
  stoppingSince?: number;
  /** Set when the runtime has been told to forget it; the rest is what the runtime last said. */
  retired?: { startedAt?: number; exit: ContainerExit };
}

interface Entry {
  stored: StoredRecord;
  /** The runtime is about to make it, and may not know it yet. */
  making?: boolean;
  killedAt?: number;
  startedAt?: number;
  exit?: ContainerExit;
}

/** Where the shim's exit code is not known: as if killed. */
const EXIT_UNKNOWN = 137;
/** It was never made: the agent ended in between. */
const EXIT_NEVER_MADE = 128;

/** Reads the last words of a container that has ended. */
export type ReadMessage = (record: ContainerRecord, code: number) => Promise<string | undefined>;

export class ContainerTable {
  readonly #directory: string;
  readonly #runtime: Pick<Client<typeof RuntimeService>, "listContainers">;
  readonly #readMessage: ReadMessage;
  readonly #entries = new Map<string, Entry>();
  #states = new Map<string, ContainerState>();
  #refreshing: Promise<void> | undefined;
  #again: Promise<void> | undefined;

  constructor(
    directory: string,
    runtime: Pick<Client<typeof RuntimeService>, "listContainers">,
    readMessage: ReadMessage,
  ) {
    this.#directory = directory;
    this.#runtime = runtime;
    this.#readMessage = readMessage;
  }

  /** Named shortly, by a hash of the id: sockets lie in it, and their paths have at most 107 bytes. */
  directoryOf(id: string): string {
    return `${this.#directory}/${createHash("sha256").update(id).digest("hex").slice(0, 16)}`;
  }

  async open(): Promise<void> {
    await Deno.mkdir(this.#directory, { recursive: true, mode: 0o700 });
    for (const name of await namesIn(this.#directory)) {
      const stored = await readJsonIfThere<StoredRecord>(`${this.#directory}/${name}/record.json`);
      if (stored?.version === 1) this.#entries.set(stored.id, { stored });
    }
    await this.refresh();
  }

  /**
   * Asks the runtime. Calls that come while an answer is under way share the next one, which is asked after they
   * came, so that each sees what it has done itself.
   */
  refresh(): Promise<void> {
    if (this.#refreshing === undefined) {
      this.#refreshing = this.#load().finally(() => this.#refreshing = undefined);
      return this.#refreshing;
    }
    this.#again ??= this.#refreshing.catch(() => {}).then(() => {
      this.#again = undefined;
      return this.refresh();
    });
    return this.#again;
  }

  async #load(): Promise<void> {
    // The answer says nothing of what is made while it is on its way.
    const asked = [...this.#entries].filter(([, entry]) => entry.making !== true);
    const { containers } = await this.#runtime.listContainers({});
    this.#states = new Map(containers.map((one) => [one.id, one]));
    for (const [id, entry] of asked) {
      if (entry.stored.retired !== undefined || entry.exit !== undefined) continue;
      const state = this.#states.get(id);
      const exit = exitOf(state, entry.stored);
      entry.startedAt = timeOf(state?.startedAt) ?? entry.startedAt;
      if (exit === undefined) continue;
      const message = await this.#readMessage(entry.stored, exit.code);
      entry.exit = { ...exit, ...(message !== undefined && message !== "" && { message }) };
    }
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
    const { version: _, retired, stoppingSince, ...record } = entry.stored;
    const common = {
      ...record,
      ...(stoppingSince !== undefined && { stoppingSince }),
      ...(entry.killedAt !== undefined && { killedAt: entry.killedAt }),
    };
    if (retired !== undefined) return { ...common, state: "retired", ...retired };
    const state = this.#states.get(record.id);
    const started = entry.startedAt === undefined ? {} : { startedAt: entry.startedAt };
    if (entry.exit !== undefined) return { ...common, state: "exited", ...started, exit: entry.exit };
    return { ...common, state: state?.status === ContainerStatus.RUNNING ? "running" : "created", ...started };
  }

  /** Before anything of it is made, so that nothing is made that nobody knows of. */
  async add(record: ContainerRecord): Promise<void> {
    const stored: StoredRecord = { version: 1, ...record };
    await Deno.mkdir(this.directoryOf(record.id), { recursive: true, mode: 0o700 });
    await this.#write(stored);
    this.#entries.set(record.id, { stored, making: true });
  }

  /** The runtime knows it now. */
  markMade(id: string): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.making = false;
  }

  async markStopping(id: string, now: number): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.stored.stoppingSince !== undefined) return;
    entry.stored = { ...entry.stored, stoppingSince: now };
    await this.#write(entry.stored);
  }

  markKilled(id: string, now: number): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.killedAt = now;
  }

  /** Keeps what was known of it when the runtime forgets it. */
  async markRetired(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry?.exit === undefined) return;
    const started = entry.startedAt === undefined ? {} : { startedAt: entry.startedAt };
    entry.stored = { ...entry.stored, retired: { ...started, exit: entry.exit } };
    await this.#write(entry.stored);
  }

  async remove(id: string): Promise<void> {
    await removeIfThere(this.directoryOf(id), { recursive: true });
    this.#entries.delete(id);
    this.#states.delete(id);
  }

  #write(stored: StoredRecord): Promise<void> {
    return writeAtomically(`${this.directoryOf(stored.id)}/record.json`, JSON.stringify(stored), { sync: false });
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
  return { code, signal: 0, oomKilled: false, finishedAt };
}

function timeOf(text: string | undefined): number | undefined {
  const time = text === undefined || text === "" ? NaN : Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}
