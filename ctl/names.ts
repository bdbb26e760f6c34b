/** Which resource and objects a person means: `pods`, `po`, `deploy/web`, `deployments.apps`. */
import type { DiscoveredResource } from "@k3ts/proto";
import type { KubernetesObject, ResourceReference } from "@k3ts/client";
import { nearest } from "./nearest.ts";
import { printableLine } from "./output/printable.ts";
import { Problem } from "./problem.ts";

const SEE_RESOURCES = "See what there is with: k3ts api-resources";

export interface Target {
  resource: DiscoveredResource;
  /** Empty: all of them. */
  names: string[];
}

/** @param words as typed after the verb: `pods a b`, `pod/a service/b`, `pods,services`, `all` */
export function parseTargets(words: readonly string[], discovered: readonly DiscoveredResource[]): Target[] {
  const [first, ...rest] = words;
  if (first === undefined) throw new Problem("A resource must be named, such as `pods`.", SEE_RESOURCES);
  if (!words.some((word) => word.includes("/"))) {
    return first.split(",").flatMap((name) => findResources(name, discovered))
      .map((resource) => ({ resource, names: rest }));
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

/** Of a category, such as `all`, every resource. */
function findResources(name: string, discovered: readonly DiscoveredResource[]): DiscoveredResource[] {
  const members = discovered.filter(({ preferred, categories }) => preferred && categories.includes(name));
  return members.length > 0 ? members : [findResource(name, discovered)];
}

/** By plural, singular, kind or short name, with or without the group behind a dot. */
export function findResource(name: string, discovered: readonly DiscoveredResource[]): DiscoveredResource {
  const [word = "", ...groupParts] = name.toLowerCase().split(".");
  const group = groupParts.join(".");
  const preferred = discovered.filter((row) => row.preferred);
  const found = preferred
    .filter((row) => groupParts.length === 0 || row.group === group)
    .filter((row) => wordsFor(row).includes(word))
    // The core group before all others: `events` are those of v1.
    .sort((a, b) => a.group.length - b.group.length)[0];
  if (found !== undefined) return found;
  const meant = nearest(word, preferred.flatMap(wordsFor));
  throw new Problem(
    `The server has no resource "${name}"${meant === undefined ? "" : `: did you mean "${meant}"?`}`,
    SEE_RESOURCES,
  );
}

function wordsFor({ resource, singular, kind, shortNames }: DiscoveredResource): string[] {
  return [resource, singular, kind.toLowerCase(), ...shortNames];
}

export function reference({ group, version, resource, kind }: DiscoveredResource): ResourceReference<KubernetesObject> {
  return { group, version, resource, kind };
}

/** As people write it: `deployment.apps/web`. */
export function displayName({ group, singular }: DiscoveredResource, name: string): string {
  return `${singular}${group === "" ? "" : `.${group}`}/${printableLine(name)}`;
}

/** As manifests write it: `apps/v1`. */
export function apiVersionOf({ group, version }: Pick<DiscoveredResource, "group" | "version">): string {
  return group === "" ? version : `${group}/${version}`;
}
