/** Which resource and objects a person means: `pods`, `po`, `deploy/web`, `deployments.apps`. */
import type { DiscoveredResource } from "@k3ts/proto";
import type { KubernetesObject, ResourceReference } from "@k3ts/client";
import { Problem } from "./problem.ts";

export interface Target {
  resource: DiscoveredResource;
  /** Empty: all of them. */
  names: string[];
}

/** @param words as typed after the verb: `pods a b`, `pod/a service/b`, `pods,services` */
export function parseTargets(words: readonly string[], discovered: readonly DiscoveredResource[]): Target[] {
  const [first, ...rest] = words;
  if (first === undefined) {
    throw new Problem("A resource must be named, such as `pods`.", "See what there is with: k3ts api-resources");
  }
  if (!words.some((word) => word.includes("/"))) {
    return first.split(",").map((name) => ({ resource: findResource(name, discovered), names: rest }));
  }
  const targets = new Map<DiscoveredResource, string[]>();
  for (const word of words) {
    const [kind, name, ...more] = word.split("/");
    if (!kind || !name || more.length > 0) {
      throw new Problem(`Objects must be named as RESOURCE/NAME when one of them is: "${word}" is not.`);
    }
    const resource = findResource(kind, discovered);
    targets.set(resource, [...targets.get(resource) ?? [], name]);
  }
  return [...targets].map(([resource, names]) => ({ resource, names }));
}

/** By plural, singular, kind or short name, with or without the group behind a dot. */
export function findResource(name: string, discovered: readonly DiscoveredResource[]): DiscoveredResource {
  const [word = "", ...groupParts] = name.toLowerCase().split(".");
  const group = groupParts.join(".");
  const found = discovered
    .filter((row) => row.preferred && (groupParts.length === 0 || row.group === group))
    .filter((row) =>
      row.resource === word || row.singular === word || row.kind.toLowerCase() === word || row.shortNames.includes(word)
    )
    // The core group before all others: `events` are those of v1.
    .sort((a, b) => a.group.length - b.group.length)[0];
  if (found === undefined) {
    throw new Problem(`The server has no resource "${name}".`, "See what there is with: k3ts api-resources");
  }
  return found;
}

export function reference({ group, version, resource, kind }: DiscoveredResource): ResourceReference<KubernetesObject> {
  return { group, version, resource, kind };
}

/** As people write it: `deployment.apps/web`. */
export function displayName({ group, singular }: DiscoveredResource, name: string): string {
  return `${singular}${group === "" ? "" : `.${group}`}/${name}`;
}
