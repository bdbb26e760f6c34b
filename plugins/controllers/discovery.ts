/** The resources that the server has now, and those that come later (custom resources, new groups). */
import { delay, type ResourceClients } from "@k3ts/client";
import type { ResourceRef } from "@k3ts/model/objects";

const LOOK_EVERY_MS = 30_000;

/** Resources of the preferred versions that have all of these verbs. */
export async function resourcesWith(
  clients: ResourceClients,
  verbs: readonly string[],
  signal: AbortSignal,
): Promise<ResourceRef[]> {
  const discovered = await clients.discover({ signal });
  return discovered
    .filter((row) => row.preferred && verbs.every((verb) => row.verbs.includes(verb)))
    .map(({ group, version, resource, kind, namespaced }) => ({ group, version, resource, kind, namespaced }));
}

/** Calls back with the resources now and whenever there may be new ones, until the signal fires. A failure is reported and tried again. */
export async function followResources(
  clients: ResourceClients,
  verbs: readonly string[],
  { onResources, onFailure }: {
    onResources: (resources: ResourceRef[]) => Promise<void>;
    onFailure: (error: Error) => void;
  },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await onResources(await resourcesWith(clients, verbs, signal));
    } catch (error) {
      if (!signal.aborted) onFailure(error as Error);
    }
    await delay(LOOK_EVERY_MS, signal).catch(() => {}); // rejects only when the signal fires
  }
}
