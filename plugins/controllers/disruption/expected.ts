/** How many pods should stand behind a budget: what those who own them want (`spec.replicas`). */
import { controllerOf, type Deployment, type Pod, type ReplicaSet, resources } from "@k3ts/model/objects";

/** Owners of a budget's namespace. */
export interface Owners {
  sets: readonly ReplicaSet[];
  deployments: readonly Deployment[];
}

/** A number that follows from owners cannot be had; the message says why. */
export class NotCountable extends Error {
  override name = "NotCountable";
}

/**
 * Each owner is counted once, and pods without one are not.
 * @throws {NotCountable} an owner is gone, or has no number of replicas
 */
export function expectedPods(pods: readonly Pod[], owners: Owners): { expected: number; unmanaged: readonly Pod[] } {
  const unmanaged: Pod[] = [];
  const byOwner = new Map<string, number>();
  const known = new Set<string>();
  const find = { sets: byName(owners.sets), deployments: byName(owners.deployments) };
  for (const pod of pods) {
    const owner = controllerOf(pod);
    if (owner === undefined) unmanaged.push(pod);
    else if (!known.has(owner.uid)) {
      known.add(owner.uid);
      const { uid, replicas } = scaleOf(pod, owner, find);
      byOwner.set(uid, replicas);
    }
  }
  return { expected: [...byOwner.values()].reduce((sum, replicas) => sum + replicas, 0), unmanaged };
}

interface Found {
  sets: ReadonlyMap<string, ReplicaSet>;
  deployments: ReadonlyMap<string, Deployment>;
}

type Owner = NonNullable<ReturnType<typeof controllerOf>>;

function scaleOf(pod: Pod, owner: Owner, { sets, deployments }: Found): { uid: string; replicas: number } {
  if (!isOfApps(owner, "ReplicaSet")) {
    if (isOfApps(owner, "Deployment")) return replicasOf(pod, deployments.get(owner.name), owner);
    throw new NotCountable(`${resourceName(owner)} does not implement the scale subresource`);
  }
  const set = sets.get(owner.name);
  const above = set && set.metadata.uid === owner.uid ? controllerOf(set) : undefined;
  const deployment = above && isOfApps(above, "Deployment") ? deployments.get(above.name) : undefined;
  // Of a Deployment the whole counts, not the set that it happens to have the pod in.
  return deployment !== undefined && deployment.metadata.uid === above!.uid
    ? replicasOf(pod, deployment, above!)
    : replicasOf(pod, set, owner);
}

function replicasOf(pod: Pod, object: ReplicaSet | Deployment | undefined, owner: Owner) {
  if (object?.metadata.uid !== owner.uid) throw new NotCountable(`found no controllers for pod "${pod.metadata.name}"`);
  return { uid: object.metadata.uid, replicas: object.spec?.replicas ?? 1 };
}

function isOfApps({ apiVersion, kind }: Owner, wanted: string): boolean {
  return kind === wanted && apiVersion.startsWith("apps/");
}

/** `jobs.batch`. */
function resourceName({ apiVersion, kind }: Owner): string {
  const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
  const found = Object.values(resources).find((resource) => resource.kind === kind && resource.group === group);
  const name = found?.resource ?? kind;
  return group === "" ? name : `${name}.${group}`;
}

function byName<T extends { metadata: { name: string } }>(objects: readonly T[]): Map<string, T> {
  return new Map(objects.map((object) => [object.metadata.name, object]));
}
