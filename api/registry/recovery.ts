/** What a store that has been opened again after a failure turns out to have written, though nobody was told. */
import type { Clock, Moment } from "@k3ts/model";
import type { Cache } from "../cache/cache.ts";
import type { ObjectChange } from "../cache/change.ts";
import { Expired, type StoreReader } from "../store/store.ts";
import { expiryOf } from "./expiry.ts";
import { parseObjectKey } from "./keys.ts";
import { loadObject, type StoredObject, type StoredResource } from "./stored_object.ts";

/** What the store holds does not go on from what was shown: only a new start can tell what is true. */
export class Unrecoverable extends Error {
  override name = "Unrecoverable";
}

/** @throws {Unrecoverable} when something that was acknowledged is missing, or what came after it is forgotten */
export async function readUnseen<R extends StoredResource>(
  reader: StoreReader,
  resources: ReadonlyMap<string, R>,
  cache: Cache,
  now: Moment,
): Promise<{ resource: R; change: ObjectChange }[]> {
  const stored = await revisionOf(reader);
  if (stored < cache.revision) {
    throw new Unrecoverable(
      `Cannot go on as the store must have revision ${cache.revision}, which was acknowledged: it ends at ${stored}`,
    );
  }
  const unseen: { resource: R; change: ObjectChange }[] = [];
  const newest = new Map<string, StoredObject | undefined>();
  try {
    for await (const page of reader.changes(cache.revision)) {
      for (const { type, key, value, revision, ...rest } of page) {
        const { resource: name, namespace, name: objectName } = parseObjectKey(key)!;
        const resource = resources.get(name)!;
        const previous = newest.has(key) ? newest.get(key) : cache.get(resource, namespace, objectName);
        const expiresAt = "expiresAt" in rest ? rest.expiresAt : undefined;
        const object = loadObject(resource, value, revision, expiryOf(resource, expiresAt, now));
        newest.set(key, type === "delete" ? undefined : object);
        const seenAs = type === "delete" ? "DELETED" : previous === undefined ? "ADDED" : "MODIFIED";
        const change = { type: seenAs, revision, at: now.monotonic, object, ...(previous && { previous }) } as const;
        unseen.push({ resource, change });
      }
    }
  } catch (error) {
    if (error instanceof Expired) throw new Unrecoverable(error.message, { cause: error });
    throw error;
  }
  return unseen;
}

async function revisionOf(reader: StoreReader): Promise<number> {
  for await (const { revision } of reader.load()) return revision;
  return 0;
}

/** Resolves after so long, or when the signal fires. */
export async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const callOff = clock.after(ms, resolve);
  const fired = () => resolve();
  signal.addEventListener("abort", fired);
  await promise;
  signal.removeEventListener("abort", fired);
  callOff();
}
