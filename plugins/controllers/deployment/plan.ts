/**
 * Decides how a Deployment gets from the ReplicaSets that exist to the one that it wants: which one to make,
 * how many pods each may have now, and what the status says. Pure.
 *
 * Behaviour follows Kubernetes 1.35 (docs: "Deployments").
 */
import type { Deployment, ReplicaSet } from "@k3ts/model/objects";
import { controllerOf, matches } from "@k3ts/model/objects";
import { DESIRED, MAXIMUM, REVISION, REVISION_HISTORY, scaleAnnotations } from "./annotations.ts";
import { limits } from "./limits.ts";
import { needsSharing, share } from "./share.ts";
import { deploymentStatus } from "./status.ts";
import { hashedName, templateHash, templateText } from "../template_hash.ts";

/** Everything else that is said of a Deployment follows it onto its ReplicaSet, such as the cause of a change. */
const NOT_COPIED = ["kubectl.kubernetes.io/last-applied-configuration", REVISION, REVISION_HISTORY, DESIRED, MAXIMUM];

export type DeploymentAction =
  | { do: "adopt" | "release"; set: ReplicaSet }
  | { do: "createSet"; name: string; hash: string; replicas: number; annotations: Record<string, string> }
  | { do: "scale"; set: ReplicaSet; replicas: number; annotations: Record<string, string>; because?: string }
  /** Keeps the current set in step with what the Deployment says beside its template. */
  | { do: "refresh"; set: ReplicaSet; annotations: Record<string, string>; minReadySeconds: number }
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
 * @param podsOf how many pods of a set have not ended yet (only Recreate asks)
 * @param isTaken whether a ReplicaSet of this name exists, whoever it belongs to
 */
export function planDeployment(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  podsOf: (set: ReplicaSet) => number,
  isTaken: (name: string) => boolean,
  now: number,
): DeploymentPlan {
  const { claims, owned } = claim(deployment, sets);
  if (deployment.metadata.deletionTimestamp !== undefined) {
    return { actions: [], ...deploymentStatus(deployment, owned, undefined, now) };
  }
  const current = findCurrent(deployment, owned);
  const old = owned.filter((set) => set !== current);
  const round: Round = { deployment, current, old, podsOf, revision: revisionFor(current, old) };
  const outlook = deploymentStatus(deployment, owned, current, now);
  const collides = current === undefined && isTaken(hashedName(deployment));
  if (collides) outlook.status.collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
  const revision = String(round.revision);
  return {
    // A name that is taken would be refused: the next round, with the count in its hash, makes another one.
    actions: [...claims, ...rollout(round).filter((action) => !(collides && action.do === "createSet"))],
    ...outlook,
    ...(current !== undefined && deployment.metadata.annotations?.[REVISION] !== revision && { revision }),
  };
}

/** A change of the wanted number comes first, and is all that happens while the Deployment is paused. */
function rollout(round: Round): DeploymentAction[] {
  const { deployment, current, old } = round;
  if (deployment.spec?.paused === true) return [...sharing(round), ...forget(round)];
  if (needsSharing(deployment, current === undefined ? old : [current, ...old])) return sharing(round);
  const first = ensureCurrent(round);
  // Two writes of the same set from one observation would conflict.
  if (first.some((action) => action.do === "refresh")) return first;
  return [...first, ...roll(round), ...(isComplete(deployment) ? forget(round) : [])];
}

interface Round {
  deployment: Deployment;
  current: ReplicaSet | undefined;
  old: ReplicaSet[];
  podsOf: (set: ReplicaSet) => number;
  revision: bigint;
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

/** An int64, which a number would round. What is none counts as no revision. */
function revisionOf(set: ReplicaSet): bigint {
  const text = set.metadata.annotations?.[REVISION] ?? "";
  if (!/^\d{1,19}$/.test(text)) return 0n;
  const revision = BigInt(text);
  return revision < INT64_MAX ? revision : 0n;
}

const INT64_MAX = 2n ** 63n - 1n;

/** A set that becomes the current one again gets a new revision, above all others. */
function revisionFor(current: ReplicaSet | undefined, old: readonly ReplicaSet[]): bigint {
  const highest = old.map(revisionOf).reduce((a, b) => (a > b ? a : b), 0n);
  return current !== undefined && revisionOf(current) > highest ? revisionOf(current) : highest + 1n;
}

function ensureCurrent(round: Round): DeploymentAction[] {
  const { deployment, current } = round;
  const annotations = currentAnnotations(round);
  if (current === undefined) {
    return [{
      do: "createSet",
      name: hashedName(deployment),
      hash: templateHash(deployment),
      replicas: currentTarget(round),
      annotations,
    }];
  }
  const minReadySeconds = deployment.spec?.minReadySeconds ?? 0;
  const differs = Object.entries(annotations).some(([key, value]) => current.metadata.annotations?.[key] !== value) ||
    (current.spec?.minReadySeconds ?? 0) !== minReadySeconds;
  return differs ? [{ do: "refresh", set: current, annotations, minReadySeconds }] : [];
}

function currentAnnotations({ deployment, current, revision }: Round): Record<string, string> {
  const own = Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => !NOT_COPIED.includes(key));
  return {
    ...Object.fromEntries(own),
    ...scaleAnnotations(deployment),
    ...(current !== undefined && historyOf(current, revision)),
    [REVISION]: String(revision),
  };
}

/** Revisions that the set had before, when it gets another one. */
function historyOf(current: ReplicaSet, revision: bigint): Record<string, string> {
  const before = revisionOf(current);
  if (before === 0n || before === revision) return {};
  const revisions = [...current.metadata.annotations?.[REVISION_HISTORY]?.split(",") ?? [], String(before)];
  while (revisions.join(",").length > HISTORY_LENGTH_MAX) revisions.shift();
  return { [REVISION_HISTORY]: revisions.join(",") };
}

/** What was there before has no end otherwise. */
const HISTORY_LENGTH_MAX = 2000;

function replicasOf(object: Deployment | ReplicaSet): number {
  return object.spec?.replicas ?? 1;
}

/** Pods that a set was told to have, or still has though it was told to have fewer. */
function podsAtMost(set: ReplicaSet): number {
  return Math.max(replicasOf(set), set.status?.replicas ?? 0);
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
  const room = wanted + limits(deployment).surge - has - total(old, podsAtMost);
  return Math.max(has, Math.min(wanted, has + Math.max(0, room)));
}

function roll(round: Round): DeploymentAction[] {
  const { deployment, current, old } = round;
  const annotations = scaleAnnotations(deployment);
  const wanted = replicasOf(deployment);
  const actions: DeploymentAction[] = [];
  if (current !== undefined) {
    const target = replicasOf(current) > wanted ? wanted : currentTarget(round);
    if (target !== replicasOf(current)) actions.push(scaleTo(current, target, annotations));
  }
  const targets = deployment.spec?.strategy?.type === "Recreate"
    ? new Map(old.map((set) => [set, 0]))
    : oldTargets(round);
  for (const [set, target] of targets) {
    if (target < replicasOf(set)) actions.push(scaleTo(set, target, annotations));
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

/** Also writes the wanted number on the sets that stay as they are, so that a change is shared out once. */
function sharing({ deployment, current, old }: Round): DeploymentAction[] {
  const annotations = scaleAnnotations(deployment);
  return [...share(deployment, current, old)].flatMap(([set, replicas]): DeploymentAction[] => {
    const before = replicasOf(set);
    const isKnown = Object.entries(annotations).every(([key, value]) => set.metadata.annotations?.[key] === value);
    if (before === replicas && isKnown) return [];
    return [scaleTo(set, replicas, annotations)];
  });
}

function scaleTo(set: ReplicaSet, replicas: number, annotations: Record<string, string>): DeploymentAction {
  const before = replicasOf(set);
  const direction = replicas > before ? "up" : "down";
  return {
    do: "scale",
    set,
    replicas,
    annotations,
    because: before === replicas
      ? undefined
      : `Scaled ${direction} replica set ${set.metadata.name} from ${before} to ${replicas}`,
  };
}

/** Old sets beyond the history that is kept; one that still has pods takes its place in it until it has none. */
function forget({ deployment, old }: Round): DeploymentAction[] {
  const limit = deployment.spec?.revisionHistoryLimit ?? 10;
  const alive = old.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .sort((a, b) => (revisionOf(a) < revisionOf(b) ? -1 : 1));
  return alive.slice(0, Math.max(0, alive.length - limit)).filter(isEmpty).map((set) => ({
    do: "deleteSet",
    set,
    because: `its revision ${revisionOf(set)} is beyond the history that is kept`,
  }));
}

function isEmpty(set: ReplicaSet): boolean {
  const isSeen = (set.metadata.generation ?? 0) <= (set.status?.observedGeneration ?? 0);
  return isSeen && replicasOf(set) === 0 && (set.status?.replicas ?? 0) === 0;
}

/** As the status has it: what is only about to be so may still be taken back. */
function isComplete(deployment: Deployment): boolean {
  const wanted = replicasOf(deployment);
  const { updatedReplicas = 0, replicas = 0, availableReplicas = 0, observedGeneration = 0 } = deployment.status ?? {};
  return updatedReplicas === wanted && replicas === wanted && availableReplicas === wanted &&
    observedGeneration >= (deployment.metadata.generation ?? 0);
}
