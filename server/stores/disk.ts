/**
 * The store on the local disk: SlateDB or SQLite, on native threads of this process. A write is acknowledged when it is
 * synced to the disk; of all batches that wait, one commit is made.
 *
 * A second writer in the same process fences the first. Another process is refused while one holds the folder, as two
 * servers on one data directory are a mistake and not a succession.
 */
import {
  type Batch,
  type Change,
  type ClusterId,
  type Entry,
  Expired,
  Fenced,
  Full,
  refuseIfOutOfBounds,
  type Revision,
  type Store,
  type StoreReader,
  type StoreWriter,
  type WriterId,
} from "@k3ts/api";
import { type Engine, type EngineName, isFenced, isFull, type Native, openEngine, type Row } from "@k3ts/ffi";
import { ConnectError } from "@connectrpc/connect";
import { GroupCommit } from "./group_commit.ts";
import {
  changeOperations,
  decodeChange,
  decodeEntry,
  historyKey,
  kindOf,
  type Meta,
  META_END,
  META_START,
  NO_META,
  numberOperation,
  OBJECTS_END,
  readMeta,
  sweepOperations,
  textOperation,
} from "./layout.ts";

/** Revisions whose history is deleted in one commit, so that compaction never holds up writes for long. */
const SWEEP_STEP_REVISIONS = 2048;

export interface DiskStoreOptions {
  /** Lives longer than everything that is opened. */
  native: Pick<Native, "transport">;
  /** Absolute path of the store's folder; the first writer makes it. */
  path: string;
  /** A folder stays with the engine that made it. @default whichever the folder has, slatedb where it has none */
  engine?: EngineName;
}

export function diskStore(options: DiskStoreOptions): Store {
  return new DiskStore(options);
}

class DiskStore implements Store {
  constructor(readonly options: DiskStoreOptions) {}

  get #engineOptions() {
    const { path, engine } = this.options;
    return { path, ...(engine !== undefined && { engine }) };
  }

  async openReader(signal: AbortSignal): Promise<StoreReader> {
    signal.throwIfAborted();
    const { native, path } = this.options;
    const engine = await openEngine(native, { ...this.#engineOptions, readOnly: true, signal });
    return await closedOnFailure(engine, async () => {
      const { cluster } = await loadMeta(engine, signal);
      if (cluster === undefined) {
        throw new Error(`Cannot read the store in ${path} as its first writer must have named it`);
      }
      return new DiskReader(engine, cluster);
    });
  }

  async openWriter(who: WriterId, signal: AbortSignal): Promise<StoreWriter> {
    signal.throwIfAborted();
    const { native, path } = this.options;
    const engine = await openEngine(native, { ...this.#engineOptions, signal }).catch((error) => {
      throw describe(error, path);
    });
    return await closedOnFailure(engine, async () => {
      const meta = await loadMeta(engine, signal);
      const cluster = meta.cluster ?? crypto.randomUUID();
      const epoch = meta.epoch + 1;
      const commit = new GroupCommit(engine, (error) => describe(error, path));
      await commit.add([
        textOperation("cluster", cluster),
        textOperation("writer", who.name),
        numberOperation("epoch", epoch),
      ]);
      return new DiskWriter(engine, commit, cluster, { ...meta, epoch });
    });
  }
}

class DiskReader implements StoreReader {
  constructor(protected readonly engine: Engine, readonly cluster: ClusterId) {}

  async *load(): AsyncIterable<{ entries: Entry[]; revision: Revision }> {
    const meta = { ...NO_META };
    let pages = 0;
    for await (const rows of this.engine.scan(META_START, OBJECTS_END)) {
      // What is known of the store comes first: it fits in the first page with room to spare.
      const objects = rowsOf("object", rows, meta);
      yield { entries: objects.map(decodeEntry), revision: meta.revision };
      pages++;
    }
    if (pages === 0) yield { entries: [], revision: meta.revision };
  }

  async *changes(after: Revision): AsyncIterable<Change[]> {
    const meta = { ...NO_META };
    let next = after + 1;
    // History, and behind it what is known of the store at the same moment.
    for await (const rows of this.engine.scan(historyKey(next), META_END)) {
      const changes = rowsOf("history", rows, meta).map(decodeChange);
      const first = changes[0];
      if (first === undefined) continue;
      if (first.revision !== next) throw new Expired(after, first.revision);
      next = first.revision + changes.length;
      yield changes;
    }
    if (next < meta.historyBegin) throw new Expired(after, meta.historyBegin);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.engine[Symbol.asyncDispose]();
  }
}

class DiskWriter extends DiskReader implements StoreWriter {
  readonly epoch: number;
  /** Of the last batch that was taken, and of the last that is durable. */
  #taken: Revision;
  #durable: Revision;
  #historyBegin: Revision;
  #sweptBefore: Revision;

  constructor(engine: Engine, readonly commit: GroupCommit, cluster: ClusterId, meta: Meta) {
    super(engine, cluster);
    this.epoch = meta.epoch;
    this.#taken = this.#durable = meta.revision;
    this.#historyBegin = meta.historyBegin;
    this.#sweptBefore = meta.sweptBefore;
  }

  async append({ changes }: Batch): Promise<void> {
    this.commit.refuseAfterFailure();
    refuseIfOutOfBounds(changes, this.#taken);
    const last = this.#taken + changes.length;
    this.#taken = last;
    await this.commit.add([...changes.flatMap(changeOperations), numberOperation("revision", last)]);
    this.#durable = Math.max(this.#durable, last);
  }

  async compact(before: Revision): Promise<void> {
    const begin = Math.min(before, this.#durable + 1);
    if (begin <= this.#historyBegin) return;
    this.#historyBegin = begin;
    // Said first: what is deleted only in part is then known to be no history any more.
    await this.commit.add([numberOperation("historyBegin", begin)]);
    while (this.#sweptBefore < begin) {
      const from = this.#sweptBefore;
      this.#sweptBefore = Math.min(begin, from + SWEEP_STEP_REVISIONS);
      await this.commit.add(sweepOperations(from, this.#sweptBefore));
    }
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.commit.settled();
    await super[Symbol.asyncDispose]();
  }
}

async function loadMeta(engine: Engine, signal: AbortSignal): Promise<Meta> {
  const meta = { ...NO_META };
  for await (const rows of engine.scan(META_START, META_END, signal)) rowsOf("meta", rows, meta);
  return meta;
}

/** The rows of a kind; what others say of the store is added to `meta`. */
function rowsOf(kind: ReturnType<typeof kindOf>, rows: Row[], meta: Meta): Row[] {
  return rows.filter((row) => {
    const found = kindOf(row);
    if (found === "meta") readMeta(meta, row);
    return found === kind;
  });
}

async function closedOnFailure<T>(engine: Engine, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    await engine[Symbol.asyncDispose]();
    throw error;
  }
}

function describe(error: unknown, path: string): unknown {
  if (isFull(error)) return new Full(ConnectError.from(error).rawMessage, { cause: error });
  if (!isFenced(error)) return error;
  return new Fenced(
    `Cannot write to the store in ${path} as its writer must be the last to open it: another has since`,
    {
      cause: error,
    },
  );
}
