/** Keeps saved objects like what the server has, for as long as it can be asked. */
import { Informer, type KubernetesObject, type ResourceClient, type Selection } from "@k3ts/client";
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
  informer.onChange((type, object) => {
    (type === "deleted" ? saved.remove(object) : saved.put(object)).catch(failed);
  });
  const done = informer.start(signal);
  const synced = informer.synced.then(() => saved.retain(informer.list()));
  synced.catch((error) => {
    if (!signal.aborted) failed(error);
  });
  return { synced, done, retryNow: () => informer.retryNow() };
}
