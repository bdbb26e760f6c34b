/**
 * Decides how a Deployment gets from the ReplicaSets that exist to the one that it wants: which one to make,
 * how many pods each may have now, and what the status says. Pure.
 *
 * Behaviour follows Kubernetes 1.35 (docs: "Deployments").
 */
import type { Deployment, ReplicaSet } from "@k3ts/model";
import { canonicalJson, cloneJson, controllerOf, matches, safeEncode } from "@k3ts/model";
import { limits } from "./limits.ts";
import { deploymentStatus } from "./status.ts";

export const HASH_LABEL = "pod-template-hash";
export const REVISION = "deployment.kubernetes.io/revision";
const DESIRED = "deployment.kubernetes.io/desired-replicas";
const MAXIMUM = "deployment.kubernetes.io/max-replicas";
/** Said by users and tools about a rollout; follows the Deployment onto its ReplicaSets. */
const NOT_COPIED = ["kubectl.kubernetes.io/last-applied-configuration", REVISION, DESIRED, MAXIMUM];

export type DeploymentAction =
  | { do: "adopt" | "release"; set: ReplicaSet }
  | { do: "createSet"; name: string; hash: string; replicas: number; annotations: Record<string, string> }
  | { do: "scale"; set: ReplicaSet; replicas: number; annotations: Record<string, string>; because: string }
  | { do: "annotate"; set: ReplicaSet; annotations: Record<string, string> }
  | { do: "deleteSet"; set: ReplicaSet; because: string };

export interface DeploymentPlan {
  actions: DeploymentAction[];
  status: NonNullable<Deployment["status"]>;
  /** The revision that the Deployment is to be annotated with, when it is not yet. */
  revision?: string;
  reconsiderAt?: number;
}

/**
 * @param sets every ReplicaSet that it controls, or that its selector picks and that has no controller
 * @param podsOf how many pods of a set still exist, whatever their state (only Recreate asks)
 */
export function planDeployment(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  podsOf: (set: ReplicaSet) => number,
  now: number,
): DeploymentPlan {
  const { claims, owned } = claim(deployment, sets);
  if (deployment.metadata.deletionTimestamp !== undefined) {
    return { actions: [], ...deploymentStatus(deployment, owned, undefined, now) };
  }
  const current = findCurrent(deployment, owned);
  const old = owned.filter((set) => set !== current);
  const round: Round = { deployment, current, old, podsOf, revision: revisionFor(current, old) };
  const rollout = deployment.spec?.paused === true
    ? proportional(round)
    : [...ensureCurrent(round), ...roll(round), ...forget(round)];
  const outlook = deploymentStatus(deployment, owned, current, now);
  const collides = current === undefined && owned.some((set) => set.metadata.name === setName(deployment));
  if (collides) outlook.status.collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
  const revision = String(round.revision);
  return {
    // A colliding name would be refused: the next round, with the count in its hash, makes another one.
    actions: [...claims, ...rollout.filter((action) => !(collides && action.do === "createSet"))],
    ...outlook,
    ...(current !== undefined && deployment.metadata.annotations?.[REVISION] !== revision && { revision }),
  };
}

interface Round {
  deployment: Deployment;
  current: ReplicaSet | undefined;
  old: ReplicaSet[];
  podsOf: (set: ReplicaSet) => number;
  revision: number;
}

function claim(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
): { claims: DeploymentAction[]; owned: ReplicaSet[] } {
  const claims: DeploymentAction[] = [];
  const owned: ReplicaSet[] = [];
  for (const set of sets) {
    const controller = controllerOf(set);
    if (controller !== undefined && controller.uid !== deployment.metadata.uid) continue;
    const selected = matches(deployment.spec?.selector, set.metadata.labels);
    const isGoing = set.metadata.deletionTimestamp !== undefined || deployment.metadata.deletionTimestamp !== undefined;
    if (controller !== undefined && !selected) claims.push({ do: "release", set });
    if (controller === undefined && selected && !isGoing) claims.push({ do: "adopt", set });
    if (selected && (controller !== undefined || !isGoing)) owned.push(set);
  }
  return { claims, owned };
}

/** The ReplicaSet whose template is the Deployment's; the oldest, should there be several. */
function findCurrent(deployment: Deployment, owned: readonly ReplicaSet[]): ReplicaSet | undefined {
  const wanted = templateText(deployment.spec?.template);
  return owned
    .filter((set) => set.metadata.deletionTimestamp === undefined && templateText(set.spec?.template) === wanted)
    .sort((a, b) => Date.parse(a.metadata.creationTimestamp ?? "") - Date.parse(b.metadata.creationTimestamp ?? ""))[0];
}

/** A template as text that does not depend on the order of its keys, without the label that we add. */
function templateText(template: NonNullable<Deployment["spec"]>["template"] | undefined): string {
  const copy = cloneJson(template ?? {});
  const labels = copy.metadata?.labels;
  if (labels !== undefined) {
    delete labels[HASH_LABEL];
    if (Object.keys(labels).length === 0) delete copy.metadata!.labels;
  }
  if (copy.metadata !== undefined) delete (copy.metadata as { creationTimestamp?: unknown }).creationTimestamp;
  return canonicalJson(copy as Parameters<typeof canonicalJson>[0]);
}

export function templateHash(deployment: Deployment): string {
  const collisions = deployment.status?.collisionCount ?? 0;
  return safeEncode(String(fnv1a(templateText(deployment.spec?.template) + (collisions > 0 ? `#${collisions}` : ""))));
}

/** FNV-1a, 32 bits. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

function setName(deployment: Deployment): string {
  return `${deployment.metadata.name}-${templateHash(deployment)}`;
}

function revisionOf(set: ReplicaSet): number {
  return Number(set.metadata.annotations?.[REVISION] ?? 0) || 0;
}

/** A set that becomes the current one again gets a new revision, above all others. */
function revisionFor(current: ReplicaSet | undefined, old: readonly ReplicaSet[]): number {
  const highest = Math.max(0, ...old.map(revisionOf));
  return current !== undefined && revisionOf(current) > highest ? revisionOf(current) : highest + 1;
}

function ensureCurrent(round: Round): DeploymentAction[] {
  const { deployment, current } = round;
  const annotations = currentAnnotations(round);
  if (current === undefined) {
    return [{
      do: "createSet",
      name: setName(deployment),
      hash: templateHash(deployment),
      replicas: currentTarget(round),
      annotations,
    }];
  }
  const differs = Object.entries(annotations).some(([key, value]) => current.metadata.annotations?.[key] !== value);
  return differs ? [{ do: "annotate", set: current, annotations }] : [];
}

function currentAnnotations({ deployment, revision }: Round): Record<string, string> {
  const own = Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => !NOT_COPIED.includes(key));
  return { ...Object.fromEntries(own), ...scaleAnnotations(deployment), [REVISION]: String(revision) };
}

function scaleAnnotations(deployment: Deployment): Record<string, string> {
  const wanted = replicasOf(deployment);
  return { [DESIRED]: String(wanted), [MAXIMUM]: String(wanted + limits(deployment).surge) };
}

function replicasOf(object: Deployment | ReplicaSet): number {
  return object.spec?.replicas ?? 1;
}

function total(sets: readonly ReplicaSet[], count: (set: ReplicaSet) => number): number {
  return sets.reduce((sum, set) => sum + count(set), 0);
}

/** How many pods the current set may have now. */
function currentTarget({ deployment, current, old, podsOf }: Round): number {
  const wanted = replicasOf(deployment);
  const has = current === undefined ? 0 : replicasOf(current);
  if (deployment.spec?.strategy?.type === "Recreate") {
    return old.some((set) => replicasOf(set) > 0 || podsOf(set) > 0) ? has : wanted;
  }
  const room = wanted + limits(deployment).surge - has - total(old, replicasOf);
  return Math.max(has, Math.min(wanted, has + Math.max(0, room)));
}

function roll(round: Round): DeploymentAction[] {
  const { deployment, current, old } = round;
  const annotations = scaleAnnotations(deployment);
  const actions: DeploymentAction[] = [];
  if (current !== undefined) {
    const wanted = replicasOf(deployment);
    const target = replicasOf(current) > wanted ? wanted : currentTarget(round);
    if (target !== replicasOf(current)) {
      const because = target > replicasOf(current) ? "up" : "down";
      actions.push({
        do: "scale",
        set: current,
        replicas: target,
        annotations,
        because: `Scaled ${because} replica set ${current.metadata.name} from ${replicasOf(current)} to ${target}`,
      });
    }
  }
  const targets = deployment.spec?.strategy?.type === "Recreate"
    ? new Map(old.map((set) => [set, 0]))
    : oldTargets(round);
  for (const [set, target] of targets) {
    if (target >= replicasOf(set)) continue;
    actions.push({
      do: "scale",
      set,
      replicas: target,
      annotations,
      because: `Scaled down replica set ${set.metadata.name} from ${replicasOf(set)} to ${target}`,
    });
  }
  return actions;
}

/** Old sets give up first what is not healthy anyway, then as many as may be missing. */
function oldTargets({ deployment, current, old }: Round): Map<ReplicaSet, number> {
  const targets = new Map(old.map((set) => [set, replicasOf(set)]));
  const minAvailable = replicasOf(deployment) - limits(deployment).unavailable;
  const available = (set: ReplicaSet) => set.status?.availableReplicas ?? 0;
  const currentMissing = current === undefined ? replicasOf(deployment) : replicasOf(current) - available(current);
  const all = total(old, replicasOf) + (current === undefined ? 0 : replicasOf(current));
  const oldestFirst = [...old].sort((a, b) =>
    Date.parse(a.metadata.creationTimestamp ?? "") - Date.parse(b.metadata.creationTimestamp ?? "")
  );
  let mayGo = Math.max(0, all - minAvailable - Math.max(0, currentMissing));
  for (const set of oldestFirst) {
    const unhealthy = Math.min(mayGo, Math.max(0, targets.get(set)! - available(set)));
    targets.set(set, targets.get(set)! - unhealthy);
    mayGo -= unhealthy;
  }
  const spare = total(old, available) + (current === undefined ? 0 : available(current)) - minAvailable;
  let mayLeave = Math.min(mayGo, Math.max(0, spare));
  for (const set of oldestFirst) {
    const leaving = Math.min(mayLeave, targets.get(set)!);
    targets.set(set, targets.get(set)! - leaving);
    mayLeave -= leaving;
  }
  return targets;
}

/** While paused nothing rolls, but a change of `replicas` is shared out among the sets by their size. */
function proportional({ deployment, current, old }: Round): DeploymentAction[] {
  const active = [...old, ...(current === undefined ? [] : [current])].filter((set) => replicasOf(set) > 0);
  const annotations = scaleAnnotations(deployment);
  const newest = active.at(-1);
  if (newest === undefined || newest.metadata.annotations?.[DESIRED] === annotations[DESIRED]) return [];
  const room = replicasOf(deployment) + (active.length > 1 ? limits(deployment).surge : 0);
  const has = total(active, replicasOf);
  let left = room - has;
  return active.toSorted((a, b) => replicasOf(b) - replicasOf(a)).map((set, index) => {
    const share = index === active.length - 1 ? left : Math.trunc(replicasOf(set) * (room - has) / has);
    left -= share;
    const replicas = Math.max(0, replicasOf(set) + share);
    return {
      do: "scale",
      set,
      replicas,
      annotations,
      because: `Scaled replica set ${set.metadata.name} from ${replicasOf(set)} to ${replicas}`,
    };
  });
}

/** Old sets without pods beyond the history that is kept. */
function forget({ deployment, old }: Round): DeploymentAction[] {
  const limit = deployment.spec?.revisionHistoryLimit ?? 10;
  const empty = old
    .filter((set) =>
      replicasOf(set) === 0 && (set.status?.replicas ?? 0) === 0 && set.metadata.deletionTimestamp === undefined
    )
    .sort((a, b) => revisionOf(a) - revisionOf(b));
  return empty.slice(0, Math.max(0, empty.length - limit)).map((set) => ({
    do: "deleteSet",
    set,
    because: `its revision ${revisionOf(set)} is beyond the history that is kept`,
  }));
}
