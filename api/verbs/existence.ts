import type { Existence } from "../auth/service_account_tokens.ts";
import type { Verbs } from "./context.ts";

/** What tokens may be bound to, as the cache has it. */
export function existenceIn({ registry, resources }: Pick<Verbs, "registry" | "resources">): Existence {
  return { uidOf: (resource, namespace, name) => registry.cache.get(resources.get(resource), namespace, name)?.uid };
}
