/** The rules of a resource for which none are written: what holds of every object, and no more. */
import type { ResourceFacts } from "../facts/mod.ts";
import { defineKind } from "./define.ts";
import type { ApiObject, Kind } from "./kind.ts";

export function defaultKind(
  facts: Pick<ResourceFacts, "group" | "resource" | "namespaced" | "versions">,
): Kind<ApiObject> {
  const hasStatus = facts.versions.some(({ subresources }) =>
    subresources?.some(({ name }) => name === "status") ?? false
  );
  return defineKind<ApiObject>({
    resource: facts.group === "" ? facts.resource : `${facts.resource}.${facts.group}`,
    namespaced: facts.namespaced,
    hasStatus,
    bumpsGeneration: hasStatus,
  });
}
