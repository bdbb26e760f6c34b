/** Keeps saved objects like what the server has, for as long as it can be asked. */
import { backoffMs, delay, Informer, type KubernetesObject, type ResourceClient, type Selection } from "@k3ts/client";
import { explain, type Log } from "@k3ts/client/telemetry";
import type { SavedObjects } from "./saved_objects.ts";

/**
 * Runs until the signal fires. Resolves `synced` when a first whole answer has been saved; until then, and whenever
 * the server cannot be asked, what is saved stays as it is.
 */
export function follow<T extends KubernetesObject>(
  client: ResourceClient<T>,
  selection: Selection,
  saved: SavedObjects<T>,
  log: Log,
  signal: AbortSignal,
): { synced: Promise<void>; done: Promise<void>; retryNow(): void } {
  const { resource } = client.resource;
  const informer = new Informer(client, {
    ...selection,
    onError: (error) => log.warn("Cannot follow the server", { error: explain(error), resource }),
  });
  const failed = (error: unknown) => log.error("Cannot save what the server says", error, { resource });
  const save = saver({ saved, get: (namespace, name) => informer.get(namespace, name), failed }, signal);
  informer.onChange((_type, object) => save(object));
  const done = informer.start(signal);
  const synced = informer.synced.then(() => saved.retain(informer.list()));
  synced.catch((error) => {
    if (!signal.aborted) failed(error);
  });
  return { synced, done, retryNow: () => informer.retryNow() };
}

/** Longest until the disk is tried again. */
const AGAIN_MS_MAX = 5_000;

export interface SaverOptions<T extends KubernetesObject> {
  saved: SavedObjects<T>;
  /** What the server has by now, undefined for what it has not. */
  get(namespace: string, name: string): T | undefined;
  failed(error: unknown): void;
}

/**
 * Saves what has changed, as the server has it by then. What cannot be saved, as on a full disk, is tried again until
 * it can: nobody would tell of it a second time. No more than one attempt an object waits.
 */
export function saver<T extends KubernetesObject>(
  { saved, get, failed }: SaverOptions<T>,
  signal: AbortSignal,
): (changed: T) => void {
  const unsaved = new Map<string, T>();
  let isTrying = false;

  const save = async (object: T) => {
    const { namespace = "", name = "" } = object.metadata;
    const now = get(namespace, name);
    try {
      await (now === undefined ? saved.remove(object) : saved.put(now));
    } catch (error) {
      unsaved.set(`${namespace}/${name}`, object);
      throw error;
    }
  };
  const tryAgain = async () => {
    for (let attempts = 1; unsaved.size > 0; attempts++) {
      await delay(backoffMs(attempts, { maxMs: AGAIN_MS_MAX }), signal);
      for (const [key, object] of [...unsaved]) {
        unsaved.delete(key);
        await save(object).catch(failed);
      }
    }
    isTrying = false;
  };
  return (changed) => {
    save(changed).catch((error) => {
      failed(error);
      if (isTrying) return;
      isTrying = true;
      tryAgain().catch(() => {}); // the signal has fired
    });
  };
}
