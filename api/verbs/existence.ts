import type { Existence } from "../auth/service_account_tokens.ts";
import { type ObjectData, parseObject, type StoredObject } from "../registry/stored_object.ts";
import type { Verbs } from "./context.ts";

const TOKEN_SECRET = "kubernetes.io/service-account-token";
/** So long what is on its way out still counts, as clocks differ (as in Kubernetes). */
const LEEWAY_MS = 60_000;

/** What tokens may be bound to, as the cache has it. */
export function existenceIn(
  { registry, resources, clock }: Pick<Verbs, "registry" | "resources" | "clock">,
): Existence {
  return {
    uidOf(resource, namespace, name) {
      const stored = registry.cache.get(resources.get(resource), namespace, name);
      return stored === undefined || deletionOf(stored) < clock.wall() - LEEWAY_MS ? undefined : stored.uid;
    },
    tokenIn(namespace, secret) {
      const stored = registry.cache.get(resources.get("secrets"), namespace, secret);
      if (stored === undefined || deletionOf(stored) < clock.wall() - LEEWAY_MS) return undefined;
      const { type, data } = parseObject<ObjectData & { type?: string; data?: { token?: string } }>(stored);
      return type === TOKEN_SECRET && data?.token !== undefined ? atob(data.token) : undefined;
    },
  };
}

/** Each request with a token asks; objects seldom change. */
const deletions = new WeakMap<StoredObject, number>();

/** When an object is to be gone, in ms since the epoch; infinite for one that nobody has deleted. */
function deletionOf(stored: StoredObject): number {
  let at = deletions.get(stored);
  if (at === undefined) {
    const { deletionTimestamp } =
      parseObject<ObjectData & { metadata: ObjectData["metadata"] & { deletionTimestamp?: string } }>(stored).metadata;
    deletions.set(stored, at = deletionTimestamp === undefined ? Infinity : Date.parse(deletionTimestamp));
  }
  return at;
}
