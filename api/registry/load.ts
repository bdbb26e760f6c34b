/** What a server finds when it opens its store: every object, and as much of the past as the store still has. */
import type { Moment } from "@k3ts/model";
import { type Change, Expired, type Revision, type StoreReader } from "../store/store.ts";
import type { ObjectChange } from "../cache/change.ts";
import { expiryOf } from "./expiry.ts";
import { parseObjectKey } from "./keys.ts";
import { loadObject, type StoredObject, type StoredResource } from "./stored_object.ts";

export interface LoadedHistory<R extends StoredResource> {
  /** Every change from this revision on is in `changes`. */
  begin: Revision;
  changes: { resource: R; change: ObjectChange }[];
  /** The last state of each key that has a change, unless that is its deletion. */
  newest: ReadonlyMap<string, StoredObject>;
}

export interface LoadedPage<R extends StoredResource> {
  revision: Revision;
  objects: { resource: R; object: StoredObject }[];
}

/**
 * Bytes of changes that are read back. A store keeps them by time, and so may have far more after a burst of large
 * writes than memory should hold; watches from before them begin anew.
 */
const CHANGES_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Every object, page by page; at least one page.
 * @param resources by `resource.group`; what is stored of others stays in the store and is not shown
 * @param known states that are in memory already: the same state is held once, though history and index both show it
 */
export async function* loadObjects<R extends StoredResource>(
  reader: StoreReader,
  resources: ReadonlyMap<string, R>,
  known: ReadonlyMap<string, StoredObject>,
  now: Moment,
): AsyncGenerator<LoadedPage<R>> {
  for await (const { revision, entries } of reader.load()) {
    const objects: LoadedPage<R>["objects"] = [];
    for (const { key, value, revision: written, expiresAt } of entries) {
      const resource = resourceOf(key, resources);
      if (resource === undefined) continue;
      const same = known.get(key);
      const object = same?.revision === written
        ? same
        : loadObject(resource, value, written, expiryOf(resource, expiresAt, now));
      objects.push({ resource, object });
    }
    yield { revision, objects };
  }
}

/** Loaded changes are said to have happened now, as the store does not keep times. */
export async function loadHistory<R extends StoredResource>(
  reader: StoreReader,
  resources: ReadonlyMap<string, R>,
  now: Moment,
): Promise<LoadedHistory<R>> {
  const { found, begin } = await readChanges(reader);
  const newest = new Map<string, StoredObject>();
  const gone = new Set<string>();
  const changes: LoadedHistory<R>["changes"] = [];
  for (const change of found) {
    const resource = resourceOf(change.key, resources);
    if (resource === undefined) continue;
    const { key, value, revision } = change;
    const expiresAt = change.type === "put" ? change.expiresAt : undefined;
    const object = loadObject(resource, value, revision, expiryOf(resource, expiresAt, now));
    const previous = newest.get(key);
    // A key's first change in a history that does not begin with the cluster may be an update of what was before it.
    const added = gone.has(key) || (previous === undefined && begin <= 1);
    const type = change.type === "delete" ? "DELETED" : added ? "ADDED" : "MODIFIED";
    changes.push({
      resource,
      change: { type, revision, at: now.monotonic, object, ...(previous !== undefined && { previous }) },
    });
    if (change.type === "delete") {
      newest.delete(key);
      gone.add(key);
    } else {
      newest.set(key, object);
      gone.delete(key);
    }
  }
  return { begin, changes, newest };
}

/** The newest changes that the store still has, as many as there is room for. */
async function readChanges(reader: StoreReader): Promise<{ found: Change[]; begin: Revision }> {
  let begin = 1;
  for (;;) {
    try {
      return await readNewest(reader, begin);
    } catch (error) {
      if (!(error instanceof Expired) || error.compactedBefore <= begin) throw error;
      begin = error.compactedBefore;
    }
  }
}

async function readNewest(reader: StoreReader, begin: Revision): Promise<{ found: Change[]; begin: Revision }> {
  let found: Change[] = [];
  let bytes = 0;
  for await (const page of reader.changes(begin - 1)) {
    found.push(...page);
    for (const { value } of page) bytes += value.length;
    if (bytes <= CHANGES_BYTES_MAX) continue;
    let dropped = 0;
    // A quarter more than needed, so that not every page moves them all.
    for (; dropped < found.length && bytes > CHANGES_BYTES_MAX * 0.75; dropped++) bytes -= found[dropped]!.value.length;
    begin = found[dropped - 1]!.revision + 1;
    found = found.slice(dropped);
  }
  return { found, begin };
}

function resourceOf<R>(key: string, resources: ReadonlyMap<string, R>): R | undefined {
  const parsed = parseObjectKey(key);
  return parsed === undefined ? undefined : resources.get(parsed.resource);
}
