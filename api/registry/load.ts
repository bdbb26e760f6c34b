/** What a server finds when it opens its store: every object, and as much of the past as the store still has. */
import { type Change, Expired, type Revision, type StoreReader } from "../store/store.ts";
import type { ObjectChange } from "../cache/change.ts";
import { parseObjectKey } from "./keys.ts";
import { loadObject, type StoredObject, type StoredResource } from "./stored_object.ts";

export interface Loaded<R extends StoredResource> {
  revision: Revision;
  /** Every change from this revision on is in `changes`. */
  historyBegin: Revision;
  objects: { resource: R; object: StoredObject }[];
  changes: { resource: R; change: ObjectChange }[];
}

/**
 * Bytes of changes that are read back. A store keeps them by time, and so may have far more after a burst of large
 * writes than memory should hold; watches from before them begin anew.
 */
const CHANGES_BYTES_MAX = 64 * 1024 * 1024;

/**
 * @param resources by `resource.group`; what is stored of others stays in the store and is not shown
 * @param now when loaded changes are said to have happened, as the store does not keep times
 */
export async function loadAll<R extends StoredResource>(
  reader: StoreReader,
  resources: ReadonlyMap<string, R>,
  now: number,
): Promise<Loaded<R>> {
  const history = new Map<string, StoredObject>();
  const { changes, historyBegin } = await loadChanges(reader, resources, history, now);
  const objects: Loaded<R>["objects"] = [];
  let revision = 0;
  for await (const page of reader.load()) {
    revision = page.revision;
    for (const { key, value, revision: written, expiresAt } of page.entries) {
      const resource = resourceOf(key, resources);
      if (resource === undefined) continue;
      // The same state is held once, though history and index both show it.
      const known = history.get(key);
      const object = known?.revision === written ? known : loadObject(resource, value, written, expiresAt);
      objects.push({ resource, object });
    }
  }
  return { revision, historyBegin, objects, changes };
}

/** @param newest gets the last state of each key that has a change */
async function loadChanges<R extends StoredResource>(
  reader: StoreReader,
  resources: ReadonlyMap<string, R>,
  newest: Map<string, StoredObject>,
  now: number,
): Promise<Pick<Loaded<R>, "changes" | "historyBegin">> {
  const { found, begin } = await readChanges(reader);
  const gone = new Set<string>();
  const changes: Loaded<R>["changes"] = [];
  for (const change of found) {
    const resource = resourceOf(change.key, resources);
    if (resource === undefined) continue;
    const { key, value, revision } = change;
    const expiresAt = change.type === "put" ? change.expiresAt : undefined;
    const object = loadObject(resource, value, revision, expiresAt);
    const previous = newest.get(key);
    // A key's first change in a history that does not begin with the cluster may be an update of what was before it.
    const added = gone.has(key) || (previous === undefined && begin <= 1);
    const type = change.type === "delete" ? "DELETED" : added ? "ADDED" : "MODIFIED";
    changes.push({
      resource,
      change: { type, revision, at: now, object, ...(previous !== undefined && { previous }) },
    });
    if (change.type === "delete") {
      newest.delete(key);
      gone.add(key);
    } else {
      newest.set(key, object);
      gone.delete(key);
    }
  }
  return { changes, historyBegin: begin };
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
